"""What pages get: variants, placeholders, URLs; stored, listed and tidied up."""

// Shows how pictures that are being drawn go on, and then the pictures, without a reload.
// What is to be followed says where its events are: data-events. What is to be fetched anew with
// the page when it is there: data-renew. Without this script the pages reload themselves.

const WORDS = {
  requested: "The picture waits for its turn …",
  generating: "The picture is being drawn …",
  unknown: "The picture is being drawn …",
  generated: "It is drawn, and being stored …",
  uploaded: "It is drawn, and being stored …",
};
const AT_ONCE = 3; // a browser has six connections to a site, and the pictures need some
const AGAIN_SECONDS = 5;

const waiting = [];

function follow(root) {
  waiting.push(...root.querySelectorAll("[data-events]"));
}

function next() {
  const element = waiting.shift();
  if (element) watch(element);
}

function watch(element) {
  const events = new EventSource(element.dataset.events);
  events.addEventListener("status", (event) => {
    const job = JSON.parse(event.data);
    element.querySelector("progress").value = job.progress;
    const words = element.querySelector(".words");
    if (WORDS[job.status] && words.textContent !== WORDS[job.status]) {
      words.textContent = WORDS[job.status];
    }
    if (job.ended) {
      events.close();
      renew(element);
    }
  });
  events.addEventListener("error", () => {
    // A browser comes back by itself after a break, but not after an answer that is none.
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(() => renew(element), AGAIN_SECONDS * 1000);
    }
  });
}

// Put what the server says now in the place of what the page shows.
async function renew(element) {
  const { renew: place } = element.dataset;
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.redirected || answer?.status === 404) {
    location.reload(); // signed out, or the goal is deleted: the server has a page for that
    return;
  }
  const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page && page.querySelector(place);
  if (!fresh) {
    setTimeout(() => renew(element), AGAIN_SECONDS * 1000);
    return;
  }
  document.querySelector(place).replaceWith(document.adoptNode(fresh));
  fresh.classList.add("fresh");
  follow(fresh); // it may be drawn still
  next();
}

follow(document);
for (let count = 0; count < AT_ONCE; count += 1) next();

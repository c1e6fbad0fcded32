// Loads the page again as soon as the server has its numbers back.

const PAUSE_MS = 1000;

async function look() {
  try {
    const answer = await fetch(location.href);
    if (answer.status !== 503) location.reload();
  } catch {
    // The server itself is away: it may come back too.
  }
  setTimeout(look, PAUSE_MS);
}

setTimeout(look, PAUSE_MS);

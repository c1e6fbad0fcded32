// Reloads the error page as soon as the server has its data again.

const PAUSE_MS = 1000;

async function look() {
  try {
    const answer = await fetch(location.href);
    if (answer.status !== 503) location.reload();
  } catch {
    // The server itself does not answer: keep trying.
  }
  setTimeout(look, PAUSE_MS);
}

setTimeout(look, PAUSE_MS);

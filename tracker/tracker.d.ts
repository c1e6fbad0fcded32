/** Revenue of a custom event. */
export interface Revenue {
  /** A finite number; zero and negative amounts (refunds) are kept. With any other value the revenue is dropped. */
  amount: number
  /** A three-letter ISO 4217 code. Default: `USD`. */
  currency?: string
}

/** The global `window.clickport`, available once the script has run. */
export interface Clickport {
  /**
   * Sends one event, even if the page is left in the same task. Never throws, and returns immediately.
   *
   * @param name The event's name, sent unchanged.
   * @param properties The first 30 are sent, each value as a string of at most 2,000 characters.
   * @param revenue The event's revenue.
   */
  track(name: string, properties?: Readonly<Record<string, unknown>> | null, revenue?: Revenue | null): void
}

declare global {
  interface Window {
    clickport: Clickport
  }
  const clickport: Clickport
}

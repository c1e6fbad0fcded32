/** Custom events of Clickport, as `window.clickport` offers them once the script has run. */
export interface Revenue {
  /** A finite number; anything else costs the revenue, never the event. Zero and refunds are kept. */
  amount: number
  /** A three-letter code of ISO 4217. Default: `USD`. */
  currency?: string
}

export interface Clickport {
  /**
   * Sends one event, also when the page is left in the same task. Never throws and returns at once.
   *
   * @param name The event's name, kept as it is.
   * @param properties At most 30 are sent; each value as a string of at most 2,000 characters.
   * @param revenue What the event earned.
   */
  track(name: string, properties?: Readonly<Record<string, unknown>> | null, revenue?: Revenue | null): void
}

declare global {
  interface Window {
    clickport: Clickport
  }
  const clickport: Clickport
}

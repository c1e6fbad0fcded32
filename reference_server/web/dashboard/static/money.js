// Amounts of money as their currency writes them.

/** Write every amount in a part of the page; the server's plain text stays where a currency is unknown here. */
export function writeMoney(root) {
  for (const element of root.querySelectorAll("data[data-revenue]")) {
    const text = money(element.getAttribute("value"), element.dataset.revenue);
    if (text) element.textContent = text;
  }
}

/** Return an amount, given as decimal text, in the form of its currency; nothing for a code that is refused. */
export function money(amount, currency) {
  const digits = amount.split(".")[1]?.length ?? 0;
  try {
    const format = (more) => new Intl.NumberFormat("en", { style: "currency", currency, ...more });
    const usual = format({}).resolvedOptions().maximumFractionDigits;
    // An amount is never rounded to look nice. As text it keeps digits that a number would lose.
    return format({ maximumFractionDigits: Math.max(usual, digits) }).format(amount);
  } catch {
    return undefined;
  }
}

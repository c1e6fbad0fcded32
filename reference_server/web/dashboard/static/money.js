// Amounts of money in the format of their currency.

/** Format every amount in a part of the page; an unknown currency keeps the server's plain text. */
export function writeMoney(root) {
  for (const element of root.querySelectorAll("data[data-revenue]")) {
    const text = money(element.getAttribute("value"), element.dataset.revenue);
    if (text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("data[data-average]")) {
    const text = rounded(element.getAttribute("value"), element.dataset.average);
    if (text) element.textContent = text;
  }
}

/** Return an average amount with the usual digits of its currency, or undefined for an invalid code. */
function rounded(amount, currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).format(amount);
  } catch {
    return undefined;
  }
}

/** Return an amount (decimal text) in the format of its currency, or undefined for an invalid code. */
export function money(amount, currency) {
  const digits = amount.split(".")[1]?.length ?? 0;
  try {
    const format = (more) => new Intl.NumberFormat("en", { style: "currency", currency, ...more });
    const usual = format({}).resolvedOptions().maximumFractionDigits;
    // Amounts are never rounded. As text they keep digits that a number would lose.
    return format({ maximumFractionDigits: Math.max(usual, digits) }).format(amount);
  } catch {
    return undefined;
  }
}

// The explorer's state in the page's address: #explore?dataset=demo&site=head…

/** @typedef {Record<string, string>} State */

const START = "#explore?";

/**
 * The state that an address asks for, or null if it asks for something else.
 * @param {string} hash @returns {State | null}
 */
export function parsed(hash) {
  return hash.startsWith(START)
    ? Object.fromEntries(new URLSearchParams(hash.slice(START.length)))
    : null;
}

/** @param {State} state what is empty is left out */
export function address(state) {
  const given = Object.entries(state).filter(([, value]) => value !== "");
  return START + new URLSearchParams(given).toString();
}

/**
 * The value asked for if there is such an option, else the first.
 * @param {string | undefined} wanted @param {string[]} options
 */
export function among(wanted, options) {
  return wanted !== undefined && options.includes(wanted) ? wanted : (options[0] ?? "");
}

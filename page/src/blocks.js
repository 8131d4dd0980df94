// Blocks of data: gzipped JSON in base64, in the page or in a folder beside it, unpacked on demand.

/** @type {Map<string, Promise<any>>} */
const opened = new Map();

/**
 * The value of a block's text.
 * @param {string} text @returns {Promise<any>}
 */
export async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/**
 * A block of the page by its name; read once.
 * @param {string} name @returns {Promise<any>}
 */
export function block(name) {
  let found = opened.get(name);
  if (!found) {
    found = text(name).then(unpacked);
    opened.set(name, found);
  }
  return found;
}

/** @param {string} name @returns {Promise<string>} */
async function text(name) {
  const element = document.getElementById(`block-${name}`);
  if (!element) throw new Error(`the report has no block ${name}`);
  const file = element.dataset.file;
  return file ? beside(name, file) : (element.textContent ?? "").trim();
}

/**
 * The text of a block beside the page. A page from file:// may load scripts, but fetch nothing.
 * @param {string} name @param {string} file @returns {Promise<string>}
 */
function beside(name, file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = () => resolve(/** @type {any} */ (window).negtraceBlocks[name]);
    script.onerror = () => reject(new Error(`${file} is not beside the report: copy its folder too`));
    document.head.append(script);
  });
}

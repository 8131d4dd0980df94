import js from "@eslint/js";

const browser = [
  ...["document", "window", "location", "history", "navigator", "matchMedia", "addEventListener"],
  ...["getComputedStyle", "setTimeout", "fetch", "atob", "Blob", "Response", "URL", "Image", "CSS"],
  ...["URLSearchParams", "DecompressionStream", "XMLSerializer", "DOMParser", "NodeFilter", "TextDecoder", "innerWidth", "Node", "Element", "SVGElement"],
  ...["SVGSVGElement", "HTMLElement", "HTMLAnchorElement", "HTMLImageElement", "process", "console", "btoa"],
];

export default [
  { ignores: ["node_modules/"] },
  js.configs.recommended,
  {
    languageOptions: { globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) },
    rules: { "no-unused-vars": ["error", { argsIgnorePattern: "^_" }], eqeqeq: "error" },
  },
];

export * from './offshoot.js';
/** Done when the module is imported; called for the browser's sake. */
export default function init(): Promise<void>;

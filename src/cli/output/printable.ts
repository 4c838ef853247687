// Errors quote what was read, and that may be a stranger's: no input of ours is to move a cursor or set a terminal's title.

/** The text with control characters, but for line feeds and tabs, as \\xHH. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

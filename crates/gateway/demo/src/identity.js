// The name that a person chose, kept in this browser. It is a label, not an identity: anyone may choose it.

const KEY = "roomcast.name";
export const NAME_LIMIT = 24;

export function loadName(fromQuery) {
  const name = fromQuery?.trim().slice(0, NAME_LIMIT);
  if (name) return name;
  try {
    const kept = localStorage.getItem(KEY);
    if (kept) return kept;
  } catch {
    // Storage may be forbidden; the name then lives as long as the page.
  }
  return `Guest ${1000 + Math.floor(Math.random() * 9000)}`;
}

export function saveName(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // as above
  }
}

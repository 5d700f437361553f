// Pictures: made small before they are sent, and only shown when they are what they say.

const LIMIT = 300_000;
const LONGEST_EDGE = 1600;
const SHOWN = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/** A JPEG of at most 300 KB, as `{bytes, mime, width, height}`; null when the file is no picture. */
export async function shrink(file) {
  let source;
  try {
    source = await createImageBitmap(file);
  } catch {
    return null;
  }
  let scale = Math.min(1, LONGEST_EDGE / Math.max(source.width, source.height));
  let quality = 0.86;
  for (;;) {
    const canvas = paint(source, scale);
    const blob = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", quality); });
    if (!blob) return null;
    if (blob.size < LIMIT) {
      source.close();
      return { bytes: await blob.arrayBuffer(), mime: "image/jpeg", width: canvas.width, height: canvas.height };
    }
    // Less quality first, while that does not show; then fewer pixels.
    if (quality > 0.65) quality -= 0.1;
    else scale *= 0.75;
  }
}

function paint(source, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  const context = canvas.getContext("2d");
  // JPEG has no transparency: what is see-through would come out black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** An address for an <img>, or null for what is not a picture of a kind that we show. */
export function pictureUrl(bytes, mime) {
  const binary = bytes instanceof ArrayBuffer || ArrayBuffer.isView(bytes);
  if (!binary || !SHOWN.includes(mime)) return null;
  return URL.createObjectURL(new Blob([bytes], { type: mime }));
}

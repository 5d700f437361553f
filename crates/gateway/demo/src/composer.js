// What is about to be sent: a text, or a picture with the text as its caption.
import { element, notice } from "./page.js";
import { shrink } from "./picture.js";

export class Composer {
  #text = element("text");
  #picture = null;
  #ready = false;

  /** `onSend({text, picture})`, `onType()` for every change to a text, `onEmpty()` when it was deleted. */
  constructor({ onSend, onType, onEmpty }) {
    element("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (!this.#ready || (text === "" && !this.#picture)) return;
      const picture = this.#picture;
      this.#text.value = "";
      this.#show(null);
      onSend({ text, picture });
      this.#text.focus();
    });
    this.#text.addEventListener("input", () => (this.#text.value === "" ? onEmpty() : onType()));
    this.#text.addEventListener("paste", (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (file?.type.startsWith("image/")) this.#choose(file);
    });
    element("attach").addEventListener("click", () => element("picture").click());
    element("picture").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) this.#choose(file);
      // Otherwise choosing the same file again would be no change.
      target.value = "";
    });
    element("drop-picture").addEventListener("click", () => this.#show(null));
  }

  /** Sending waits until a room is joined; the text may be written before. */
  ready(ready, placeholder) {
    this.#ready = ready;
    element("send").disabled = !ready;
    this.#text.placeholder = placeholder;
  }

  async #choose(file) {
    const picture = await shrink(file);
    if (!picture) return notice("This file is not a picture that the browser can read.");
    this.#show(picture);
    this.#text.focus();
  }

  #show(picture) {
    this.#picture = picture;
    const image = element("preview").querySelector("img");
    if (image.src) URL.revokeObjectURL(image.src);
    image.removeAttribute("src");
    element("preview").hidden = picture === null;
    if (!picture) return;
    image.src = URL.createObjectURL(new Blob([picture.bytes], { type: picture.mime }));
    const size = `${Math.ceil(picture.bytes.byteLength / 1000)} KB`;
    element("preview-text").textContent = `${picture.width} × ${picture.height}, ${size}. Your text becomes the caption.`;
  }
}

// Who asks: on loopback everybody, else the holder of a token.  The token is sent once; the session is a cookie that no
// script can read.

import * as api from "./api.js";
import { h } from "./dom.js";

let dialog = null;

/** Resolves to the role, after asking for a token where one is needed. */
export async function enter() {
  const session = await api.session();
  if (!session.needs_token || session.role) return session.role;
  return askForToken();
}

export function askForToken() {
  dialog?.remove();
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
    const trouble = h("p", { role: "alert" });
    dialog = h("dialog", { "aria-labelledby": "token-title", oncancel: (event) => event.preventDefault() },
      h("form", { class: "form", onsubmit: async (event) => {
        event.preventDefault();
        try {
          const { role } = await api.signIn(input.value);
          dialog.close();
          dialog.remove();
          dialog = null;
          resolve(role);
        } catch (error) {
          trouble.textContent = error.status === 401 ? "That token is not known here." : error.message;
          input.select();
        }
      } },
      h("h2", { id: "token-title" }, "Token"), h("label", { for: "token" }, "This server is not on loopback: it asks for a token."), input, trouble,
      h("button", { type: "submit", class: "main" }, "Enter")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

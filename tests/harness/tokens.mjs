// JSON Web Tokens as an identity provider makes them, and as attackers would like to; and the provider's keys over HTTP.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";

const text = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);

/** The tables by which a namespace takes the tokens of `hs256(secret, claims(…))`, for behind its own keys. */
export const byTokens = (secret) => `[namespaces.identity]
kind = "jwt"
[namespaces.identity.jwt]
algorithms = ["HS256"]
secrets = ["${secret}"]
audiences = ["chat"]`;

/** Claims that are good for `ttl` seconds. */
export function claims(user, { ttl = 300, ...more } = {}) {
  return { sub: user, iat: seconds(), exp: seconds() + ttl, aud: "chat", iss: "https://login.example", ...more };
}

/** A token of any header and claims; `signature` of the text before it. */
export function token(header, claims, signature) {
  const signed = `${text(header)}.${text(claims)}`;
  return `${signed}.${signature(signed)}`;
}

export function hs256(secret, claims, header = {}) {
  return token({ alg: "HS256", typ: "JWT", ...header }, claims, (signed) => createHmac("sha256", secret).update(signed).digest("base64url"));
}

/** A key pair of an identity provider. */
export class Key {
  constructor(kid) {
    this.kid = kid;
    this.pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  }

  get jwk() {
    return { ...this.pair.publicKey.export({ format: "jwk" }), kid: this.kid, alg: "RS256", use: "sig" };
  }

  get pem() {
    return this.pair.publicKey.export({ format: "pem", type: "spki" });
  }

  rs256(claims, header = {}) {
    const signature = (signed) => sign("sha256", Buffer.from(signed), this.pair.privateKey).toString("base64url");
    return token({ alg: "RS256", typ: "JWT", kid: this.kid, ...header }, claims, signature);
  }
}

/** A backend over HTTP on loopback: `answer(request, body)` gives `{ status, body, after }`. */
export class Backend {
  requests = [];

  constructor(answer) {
    this.answer = answer;
    this.server = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      this.requests.push({ url: request.url, headers: request.headers, body });
      const { status = 200, body: answered = {}, after } = await this.answer(request, body);
      await after;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof answered === "string" ? answered : JSON.stringify(answered));
    });
  }

  async listen(port = 0) {
    this.server.listen(port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }
}

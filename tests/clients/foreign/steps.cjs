// The steps that every Node client takes; steps.py says the same for Python.
"use strict";

const { deepStrictEqual } = require("node:assert");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const CAP = 20_000; // milliseconds that a step may take

const rows = [
  { day: 1, celsius: 4 },
  { day: 2, celsius: 4 },
];

const STEPS = {
  "list tools": async (client) => {
    deepStrictEqual((await client.tools()).sort(), ["count", "delete", "forecast"]);
  },
  call: async (client) => {
    const called = await client.call("forecast", { city: "Oslo", days: 2 });
    deepStrictEqual(called.isError, false);
    deepStrictEqual(JSON.parse(called.text), rows);
    deepStrictEqual(called.structured, client.protocol >= "2026" ? rows : { result: rows });
  },
  progress: async (client) => {
    const told = [];
    const called = await client.call("count", { steps: 3 }, (event) => told.push(event));
    deepStrictEqual(called.text, "counted");
    if (client.missing?.progress) return client.missing.progress;
    deepStrictEqual(
      told.map(({ progress, total, message }) => [progress, total, message]),
      [1, 2, 3].map((step) => [step, 3, `step ${step}`]),
    );
  },
  "argument error": async (client) => {
    const called = await client.call("forecast", { city: "Oslo", days: 50 });
    deepStrictEqual(called.isError, true);
    deepStrictEqual(called.text, "days: 50 is too large; expected an integer from 1 to 7");
  },
  confirm: async (client) => {
    if (client.missing?.confirm) return client.missing.confirm;
    const called = await client.call("delete", { name: "x" });
    if (client.protocol >= "2026") {
      deepStrictEqual(called.text, "deleted x");
    } else {
      deepStrictEqual([called.isError, called.text.includes("2026-07-28")], [true, true]);
    }
  },
  resource: async (client) => {
    deepStrictEqual(await client.resources(), ["notes://welcome"]);
    deepStrictEqual(await client.read("notes://welcome"), "# Welcome");
  },
  prompt: async (client) => {
    const text = await client.prompt("travel", { city: "Oslo", days: "2" });
    deepStrictEqual(text, "Plan 2 days in Oslo.");
  },
  complete: async (client) => {
    if (client.missing?.complete) return client.missing.complete;
    const values = await client.complete("travel", "city", "Ber");
    deepStrictEqual(values, ["Berlin", "Bergen", "Bern"]);
  },
};

/** Picks an invented user on the sign-in page that a client opens; resolves to the code. */
async function pick(url, user) {
  const page = await (await fetch(url)).text();
  const ticket = page.match(/name="ticket" value="([^"]*)"/)[1];
  const action = page.match(/<form method="post" action="([^"]*)"/)[1].replaceAll("&amp;", "&");
  const body = new URLSearchParams({ ticket, user });
  const sent = await fetch(new URL(action, url), { method: "POST", body, redirect: "manual" });
  const back = new URL(sent.headers.get("location"));
  return back.searchParams.get("code") ?? Promise.reject(new Error(back.search));
}

/** The step on a connection of its own: from a 401 to the tools, as one of the invented users.
 * `open(url, provider)` makes a client and a transport that are not connected yet. */
async function signIn(open) {
  const { SIGN_IN_URL, SIGN_IN_CLIENT_ID } = process.env;
  const callback = "http://localhost:33418/callback";
  let code, tokens, verifier;
  const provider = {
    redirectUrl: callback,
    clientMetadata: { client_name: "foreign", redirect_uris: [callback] },
    clientInformation: () => ({ client_id: SIGN_IN_CLIENT_ID }),
    tokens: () => tokens,
    saveTokens: (saved) => void (tokens = saved),
    codeVerifier: () => verifier,
    saveCodeVerifier: (saved) => void (verifier = saved),
    redirectToAuthorization: async (url) => void (code = await pick(url, "alma@postern.example")),
  };
  const first = open(SIGN_IN_URL, provider);
  await first.client.connect(first.transport).then(
    () => Promise.reject(new Error("connected without signing in")),
    (error) => (code ? undefined : Promise.reject(error)),
  );
  await first.transport.finishAuth(code);
  const { client, transport } = open(SIGN_IN_URL, provider);
  await client.connect(transport);
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  deepStrictEqual(names.includes("whoami"), true);
  const who = await client.callTool({ name: "whoami", arguments: {} });
  deepStrictEqual(JSON.parse(who.content[0].text).name, "Alma Adler");
  await client.close();
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function capped(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${CAP} ms`)), CAP);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const reason = (error) => `${error.name}: ${error.message}`;

/** Take every step with the client that `connect(url, headers, modern)` resolves to. A step that
 * returns a text is one that the client cannot take, and the text says why. `open` is for signing
 * in; without it the client cannot. */
exports.run = async (name, connect, open) => {
  const file = join(process.env.NODE_PATH, name, "package.json");
  say({ version: JSON.parse(readFileSync(file, "utf8")).version });
  const { CLIENT_URL, CLIENT_KEY, CLIENT_ERA } = process.env;
  let step = "connect";
  try {
    const connecting = connect(CLIENT_URL, { "X-API-Key": CLIENT_KEY }, CLIENT_ERA === "modern");
    const client = await capped(connecting);
    say({ step, result: "ok", protocol: client.protocol });
    for (const take of Object.keys(STEPS)) {
      try {
        const missing = await capped(STEPS[take](client));
        say(missing ? { step: take, result: "n/a", reason: missing } : { step: take, result: "ok" });
      } catch (error) {
        say({ step: take, result: "FAILED", reason: reason(error) });
      }
    }
    step = "close";
    await capped(client.close());
    step = "sign in";
    if (!open) return say({ step, result: "n/a", reason: "it opens a browser; its guide has the command" });
    await capped(signIn((url, provider) => open(url, provider, CLIENT_ERA === "modern")));
    say({ step, result: "ok" });
  } catch (error) {
    say({ step, result: "FAILED", reason: reason(error) });
  }
};

/** What the official TypeScript clients of both versions have in common. */
exports.adapt = (client, protocol, callTool) => ({
  protocol,
  close: () => client.close(),
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, args, onprogress) => {
    const result = await callTool({ name, arguments: args }, onprogress ? { onprogress } : {});
    return {
      isError: result.isError ?? false,
      structured: result.structuredContent,
      text: result.content[0].text,
    };
  },
  resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
  read: async (uri) => (await client.readResource({ uri })).contents[0].text,
  prompt: async (name, args) =>
    (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
  complete: async (prompt, name, value) => {
    const ref = { type: "ref/prompt", name: prompt };
    return (await client.complete({ ref, argument: { name, value } })).completion.values;
  },
});

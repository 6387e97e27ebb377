// The command line of `@modelcontextprotocol/inspector` 2.x: a process, and a connection, a call.
"use strict";

const { execFile } = require("node:child_process");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { run } = require("./steps.cjs");

const TOOL_FAILED = 5; // the Inspector's exit code for a result that is an error

const NAME = "@modelcontextprotocol/inspector";
const FOLDER = join(process.env.NODE_PATH, NAME);
const SCRIPT = join(FOLDER, JSON.parse(readFileSync(join(FOLDER, "package.json"))).bin.inspector);

run(NAME, async (url, headers, modern) => {
  const common = ["--cli", "--server-url", url, "--transport", "http", "--format", "json", "--quiet"];
  common.push("--stored-auth-only", "--protocol-era", modern ? "modern" : "legacy");
  for (const [name, value] of Object.entries(headers)) common.push("--header", `${name}: ${value}`);

  const ask = (method, ...more) =>
    new Promise((resolve, reject) => {
      const words = [SCRIPT, ...common, "--method", method, ...more];
      const done = (error, stdout, stderr) => {
        if (error && error.code !== TOOL_FAILED) return reject(new Error(stderr || error.message));
        try {
          resolve(JSON.parse(stdout).result);
        } catch {
          reject(new Error(`not JSON: ${stdout} ${stderr}`));
        }
      };
      execFile(process.execPath, words, { timeout: 15_000 }, done).stdin.end();
    });
  const pairs = (values) => Object.entries(values).map(([name, value]) => `${name}=${value}`);

  return {
    protocol: (await ask("initialize")).protocolVersion,
    missing: {
      progress: "the command line shows no progress",
      // Having declared nothing, it gets the error that says so.
      confirm: modern ? "the command line cannot ask its person" : undefined,
      complete: "the command line has no method for it",
    },
    close: async () => {},
    tools: async () => (await ask("tools/list")).tools.map((tool) => tool.name),
    call: async (name, args) => {
      const given = ["--tool-name", name, "--tool-args-json", JSON.stringify(args)];
      const result = await ask("tools/call", ...given);
      return {
        isError: result.isError ?? false,
        structured: result.structuredContent,
        text: result.content[0].text,
      };
    },
    resources: async () => (await ask("resources/list")).resources.map(({ uri }) => uri),
    read: async (uri) => (await ask("resources/read", "--uri", uri)).contents[0].text,
    prompt: async (name, args) => {
      const given = ["--prompt-name", name, "--prompt-args", ...pairs(args)];
      return (await ask("prompts/get", ...given)).messages[0].content.text;
    },
  };
});

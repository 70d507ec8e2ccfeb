// memory-mcp plugin for OpenClaw, version 1.
// `memory-mcp install openclaw` writes this file, `memory-mcp uninstall openclaw` takes it out again.
//
// It tells memory-mcp what was said and done, and gives the model what memory-mcp prints for it.
// OpenClaw keeps nothing of what a plugin adds in its history, so the text stands in the system
// prompt of each request, once, for as long as this process holds the session. Whatever goes wrong
// here, the session goes on without memory.

import { spawn, spawnSync } from "node:child_process"

// Calls of memory-mcp, one after another, so that the order of things stays. What was told is safe
// as soon as the program runs; what it prints is for the model. Nothing here ever fails.

const COMMAND = ["/absolute/path/to/.venv/bin/memory-mcp", "hook", "openclaw"]
const MARK = "memory-mcp"
const ANSWER_MS = 10_000 // the first prompt of a day has to start the daemon
const GATHER_MS = 300 // what happens within this goes in one call
const END_MS = 3_000 // as long as the host's end may be held up

let tail = Promise.resolve()

class Session {
  constructor(id, folder) {
    this.id = id
    this.folder = folder
    this.waiting = []
  }

  tell(hook, events = []) {
    clearTimeout(this.timer)
    const told = this.payload(hook, [...this.waiting.splice(0), ...events])
    const call = tail.then(() => run(told))
    tail = call
    return call
  }

  later(hook, event) {
    this.waiting.push(event)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.tell(hook), GATHER_MS)
    this.timer.unref?.()
  }

  // The host's process ends: the last chance, and nothing may be waited for but this.
  leave() {
    if (!this.started) return
    this.started = false
    const [program, ...words] = COMMAND
    const input = this.payload("exit", [...this.waiting.splice(0), { event: "end" }])
    try {
      spawnSync(program, words, { input, timeout: END_MS, windowsHide: true })
    } catch {}
  }

  payload(hook, events) {
    return JSON.stringify({
      hook_event_name: hook, session_id: this.id, cwd: this.folder, events,
    })
  }
}

function run(told) {
  return new Promise((resolve) => {
    const [program, ...words] = COMMAND
    const printed = []
    let child
    const timer = setTimeout(() => {
      child?.kill()
      resolve("")
    }, ANSWER_MS)
    const end = (text) => {
      clearTimeout(timer)
      resolve(text)
    }
    try {
      child = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"], windowsHide: true })
      child.on("error", () => end(""))
      child.on("close", () => end(contextIn(Buffer.concat(printed).toString("utf8"))))
      child.stdout.on("data", (data) => printed.push(data))
      child.stdin.on("error", () => undefined)
      child.stdin.end(told)
    } catch {
      end("")
    }
  })
}

function contextIn(printed) {
  try {
    return printed ? (JSON.parse(printed).additionalContext ?? "") : ""
  } catch {
    return ""
  }
}

function within(ms, promise) {
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function quietly(handle) {
  return async (...told) => {
    try {
      return await handle(...told)
    } catch {
      return undefined
    }
  }
}

const sessions = new Map()

function known(id) {
  let session = sessions.get(id)
  if (!session) {
    // Not the agent's workspace: the MCP server runs where OpenClaw does, and memory is one.
    session = new Session(id, process.cwd())
    session.context = [] // what was told to the model
    session.runs = new Map() // when each began
    sessions.set(id, session)
  }
  return session
}

// Subagents, heartbeats, scheduled tasks and OpenClaw's own housekeeping: nobody typed anything.
function isUsers({ sessionId, sessionKey = "", trigger = "user" }) {
  return Boolean(sessionId) && trigger === "user" && !/(^|:)(subagent|cron|hook):/.test(sessionKey)
}

function textOf({ content }) {
  if (typeof content === "string") return content
  const parts = Array.isArray(content) ? content : []
  return parts.filter((part) => part.type === "text").map((part) => part.text).join("\n")
}

async function prompted({ prompt, messages }, context) {
  if (!isUsers(context)) return undefined
  const session = known(context.sessionId)
  const { runId } = context
  if (!session.runs.has(runId)) { // a run that is tried again builds its prompt again
    const at = Date.now()
    session.runs.set(runId, at)
    const events = []
    if (!session.started) {
      session.started = true
      events.push({ event: "start", at })
      // What an earlier process told is in nobody's history.
      if (messages?.length) events.push({ event: "compacted" })
    }
    if (prompt?.trim()) events.push({ event: "prompt", id: runId, text: prompt, at })
    const text = await within(ANSWER_MS, session.tell("before_prompt_build", events))
    if (text) session.context.push(text)
  }
  const { context: told } = session
  return told.length ? { appendSystemContext: told.join("\n\n") } : undefined
}

async function ended({ runId = "", messages = [] }, context) {
  const session = sessions.get(context.sessionId)
  const run = context.runId ?? runId
  const began = session?.runs.get(run)
  if (began === undefined) return
  session.runs.delete(run)
  const fresh = messages.filter(({ timestamp }) => timestamp >= began)
  const events = fresh.flatMap((message) => eventsOf(message, run, calls(messages)))
  // The first of the user's messages is the prompt, which was told.
  const first = events.findIndex(({ event }) => event === "prompt")
  if (first >= 0) events.splice(first, 1)
  if (events.length) await session.tell("agent_end", events)
}

function calls(messages) {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []))
  return new Map(parts.filter(({ type }) => type === "toolCall").map((part) => [part.id, part]))
}

function eventsOf(message, run, called) {
  const { role, timestamp: at, toolCallId, toolName: name } = message
  const text = textOf(message)
  if (role === "toolResult") {
    const input = called.get(toolCallId)?.arguments
    return [{ event: "tool", id: `${run}:${toolCallId}`, name, input, output: text, at }]
  }
  const event = { user: "prompt", assistant: "answer" }[role]
  return event && text.trim() ? [{ event, id: `${run}:${at}`, text, at }] : []
}

async function left({ sessionId }) {
  const session = sessions.get(sessionId)
  sessions.delete(sessionId)
  if (session?.started) await session.tell("session_end", [{ event: "end" }])
}

process.on("exit", () => {
  for (const session of sessions.values()) session.leave()
})

export default {
  id: MARK,
  name: MARK,
  description: "Long-term memory",
  register(api) {
    api.on("before_prompt_build", quietly(prompted))
    api.on("agent_end", quietly(ended))
    api.on("session_end", quietly(left))
  },
}

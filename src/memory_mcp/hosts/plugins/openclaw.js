// memory-mcp plugin for @TITLE@, version 1.
// `memory-mcp install @HOST@` writes this file, `memory-mcp uninstall @HOST@` takes it out again.
//
// It tells memory-mcp what was said and done, and gives the model what memory-mcp prints for it.
// OpenClaw keeps nothing of what a plugin adds in its history, so the text stands in the system
// prompt of each request, once, for as long as this process holds the session. Whatever goes wrong
// here, the session goes on without memory.

import { spawn, spawnSync } from "node:child_process"

@TELLING@
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

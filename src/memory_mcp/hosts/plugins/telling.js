// Calls of memory-mcp, one after another, so that the order of things stays. What was told is safe
// as soon as the program runs; what it prints is for the model. Nothing here ever fails.

const COMMAND = @COMMAND@
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

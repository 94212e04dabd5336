import { useState, type FormEvent } from 'react'
import { Complaints } from './Complaints.js'
import { logIn, type Session } from './session.js'
import { Mark } from './Mark.js'

const someone = ['ann', 'bob', 'carol']

interface Props {
  notice: string
  onLogin: (session: Session) => void
}

/** Login asks for a name; a development server believes it. */
export function Login({ notice, onLogin }: Props) {
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const [errors, setErrors] = useState<string[]>([])

  async function enter(user: string) {
    setBusy(true)
    try {
      onLogin(await logIn(user))
    } catch (error) {
      setErrors([error instanceof Error ? error.message : String(error)])
      setBusy(false)
    }
  }
  function submit(event: FormEvent) {
    event.preventDefault()
    void enter(name.trim())
  }

  return (
    <main className="login">
      <form className="sheet" onSubmit={submit}>
        <Mark />
        <h1>Who are you?</h1>
        <p className="quiet">
          Every tab can be somebody else: log in as ann here, as bob in another tab, and share a task.
        </p>
        {notice && <p role="status">{notice}</p>}
        <label htmlFor="name">Your name</label>
        <div className="row">
          <input
            id="name"
            data-testid="login-name"
            value={name}
            onChange={(event) => setName(event.target.value)}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            autoFocus
            required
          />
          <button className="primary" data-testid="login" disabled={busy}>
            Log in
          </button>
        </div>
        <Complaints about={errors} />
        <div className="row">
          <span className="quiet">or be</span>
          {someone.map((user) => (
            <button key={user} type="button" disabled={busy} onClick={() => void enter(user)}>
              {user}
            </button>
          ))}
        </div>
      </form>
    </main>
  )
}

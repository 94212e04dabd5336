import { useRef, useState, useSyncExternalStore, type FormEvent } from 'react'
import { Complaints } from './pane/Complaints.js'
import { most, type People } from './people.js'
import { logIn } from './session.js'

const someone = ['ann', 'bob', 'carol', 'dave']

/** Header says what this is, and lets another user in. */
export function Header({ people }: { people: People }) {
  const names = useSyncExternalStore(people.subscribe, () => people.names)
  return (
    <header className="top">
      <h1>
        <img src="./favicon.svg" alt="" width="28" height="28" />
        Ebb
      </h1>
      <p className="lead">
        Commands flow in, events ebb back.<span> Nothing lost, nothing twice, through every cut.</span>
      </p>
      {names.length < most && <AddUser people={people} suggested={someone.find((name) => !names.includes(name))} />}
    </header>
  )
}

/** AddUser logs somebody in: a development server believes any name. */
function AddUser({ people, suggested = '' }: { people: People; suggested?: string }) {
  const [asking, setAsking] = useState(false)
  const [errors, setErrors] = useState<string[]>([])
  const name = useRef<HTMLInputElement>(null)

  async function submit(event: FormEvent) {
    event.preventDefault()
    const user = name.current!.value.trim()
    try {
      if (people.names.includes(user)) throw new Error(`${user} is here already.`)
      await logIn(user)
      people.add(user)
      setErrors([])
      setAsking(false)
    } catch (error) {
      setErrors([error instanceof Error ? error.message : String(error)])
    }
  }

  if (!asking) {
    return (
      <button className="add" data-testid="add-user" onClick={() => setAsking(true)}>
        Add a user
      </button>
    )
  }
  return (
    <form className="add" onSubmit={(event) => void submit(event)} onKeyDown={(event) => event.key === 'Escape' && setAsking(false)}>
      <label htmlFor="user-name" className="unseen">
        Name of the user
      </label>
      <input
        id="user-name"
        ref={name}
        data-testid="user-name"
        defaultValue={suggested}
        onFocus={(event) => event.target.select()}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        required
      />
      <button className="primary" data-testid="log-in">
        Log in
      </button>
      <Complaints about={errors} />
    </form>
  )
}

import { useId, useState, type FormEvent } from 'react'

interface Props {
  label: string
  test: string
  send: (user: string) => Promise<string[]>
}

/** Person names a user for something; what is wrong shows on the card. */
export function Person({ label, test, send }: Props) {
  const [user, setUser] = useState('')
  const id = useId()

  async function submit(event: FormEvent) {
    event.preventDefault()
    if ((await send(user.trim())).length === 0) setUser('')
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <label htmlFor={id}>{label}</label>
      <div className="row">
        <input
          id={id}
          data-testid={`${test}-user`}
          list="people"
          value={user}
          onChange={(event) => setUser(event.target.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        <button data-testid={test}>{label.split(' ')[0]}</button>
      </div>
    </form>
  )
}

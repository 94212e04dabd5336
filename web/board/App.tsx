import { useCallback, useEffect, useState } from 'react'
import { Board } from './Board.js'
import { Login } from './Login.js'
import { remember, remembered, type Session } from './session.js'

/** App is the log in, or the board of whoever has logged in. */
export function App() {
  const [session, setSession] = useState(remembered)
  const [notice, setNotice] = useState('')

  const enter = useCallback((next: Session | null, why = '') => {
    remember(next)
    setSession(next)
    setNotice(why)
  }, [])
  const leave = useCallback((why?: string) => enter(null, why), [enter])

  useEffect(() => {
    document.title = session ? `${session.user} · Ebb board` : 'Ebb board'
  }, [session])

  if (!session) return <Login notice={notice} onLogin={enter} />
  return <Board key={session.token} session={session} onLeave={leave} />
}

import { createRoot } from 'react-dom/client'
import { App } from './App.js'
import './base.css'
import './flow.css'
import './pane.css'

createRoot(document.getElementById('root')!).render(<App />)

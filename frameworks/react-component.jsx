// A checkout as the documentation shows it: the handler calls track and the page is left in the same task.
import { useState } from 'react'
import { createRoot } from 'react-dom/client'

function Checkout({ token, next }) {
  const [plan] = useState('pro')
  const buy = () => {
    window.clickport.track(`Purchase ${token}`, { plan, from: 'React' }, { amount: 49.99, currency: 'EUR' })
    location.href = next
  }
  return <button id="go" onClick={buy}>Buy {plan}</button>
}

const place = document.getElementById('app')
createRoot(place).render(<Checkout token={place.dataset.token} next={place.dataset.next} />)

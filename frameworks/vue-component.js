// A checkout as the documentation shows it: the handler calls track and the page is left in the same task.
import { createApp, h, ref } from 'vue'

const Checkout = {
  props: ['token', 'next'],
  setup({ token, next }) {
    const plan = ref('pro')
    const buy = () => {
      window.clickport.track(`Purchase ${token}`, { plan: plan.value, from: 'Vue' }, { amount: 49.99, currency: 'EUR' })
      location.href = next
    }
    return () => h('button', { id: 'go', onClick: buy }, `Buy ${plan.value}`)
  },
}

const place = document.getElementById('app')
createApp(Checkout, { token: place.dataset.token, next: place.dataset.next }).mount(place)

"""`gradtui.watch` as a callback, for libraries whose training loop is not the user's own: `adapters.lightning` and
`adapters.transformers`. Each needs its library, so nothing is imported until one of them is."""

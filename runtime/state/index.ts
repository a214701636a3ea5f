// The front door of runtime/state.
export * from './store-interface.js'
export * from './state-keys.js'
export * from './overlay.js'
export * from './memory-state.js'
export * from './tree-interface.js'

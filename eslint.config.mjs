import tseslint from 'typescript-eslint';

/** What no room but the command line may touch: the world's clock, its chance, its files. */
const ambient = {
  'no-restricted-globals': ['error', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'process'],
  'no-restricted-properties': [
    'error',
    { object: 'Math', property: 'random', message: 'draw from a named stream (kernel/streams.ts)' },
    { object: 'Math', property: 'pow', message: 'differs between Node versions: use exp(y * log(x))' },
    { object: 'Date', property: 'now', message: 'virtual time is in the context' },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: "BinaryExpression[operator='**']", message: 'differs between Node versions: use exp(y * log(x))' },
    { selector: "NewExpression[callee.name='Date']", message: 'virtual time is in the context' },
  ],
  'no-restricted-imports': ['error', { patterns: ['node:fs', 'node:fs/*', 'node:timers', 'node:perf_hooks'] }],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'runs/', 'schema/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Indices are checked by noUncheckedIndexedAccess; `!` says that a bound is known.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A loader without `await` is still async, so that what it throws becomes a rejection.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['src/kernel/**', 'src/network/**', 'src/optimization/**', 'actors/**'], rules: ambient },
  {
    files: ['test/**'],
    // Vitest's matchers are `any`, and rows of tables are passed around with their functions.
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off', '@typescript-eslint/unbound-method': 'off' },
  },
  {
    files: ['src/cli/**'],
    rules: { '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }] },
  },
);

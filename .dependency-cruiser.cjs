/** The import arrows between rooms (docs/ARCHITECTURE.md). */
const leaves = '^src/(conditions|choice|finite|vector)\\.ts$';

/** A room may import itself, the leaves, and the rooms listed. */
function room(from, allowed) {
  const paths = [from, ...allowed].map((path) => `^${path}/`);
  return {
    name: `${from} imports only ${allowed.join(', ') || 'itself'}`,
    severity: 'error',
    from: { path: `^${from}/` },
    to: { path: '^(src|actors)/', pathNot: [...paths, leaves] },
  };
}

module.exports = {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    room('src/kernel', []),
    room('src/compute', []),
    room('src/network', ['src/kernel']),
    room('actors', ['src/kernel']),
    room('src/record', ['src/kernel']),
    room('src/learning', ['src/compute', 'src/kernel']),
    room('src/optimization', ['src/compute']),
    room('src/scenario', [
      'actors',
      'src/learning',
      'src/optimization',
      'src/network',
      'src/record',
      'src/compute',
      'src/kernel',
    ]),
    {
      name: 'behaviours import types and names only',
      severity: 'error',
      from: { path: '^actors/' },
      to: { path: '^(node_modules|src)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only the stage imports nact',
      severity: 'error',
      from: { path: '^(src|actors)/', pathNot: '^src/kernel/stage\\.ts$' },
      to: { path: '^node_modules/nact/' },
    },
    {
      name: 'only the command line is above the scenario',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli/|scenario/|index\\.ts$)' },
      to: { path: '^src/(scenario|cli)/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};

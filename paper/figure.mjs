/** Figure 1: training loss and test error by iteration, 4 workers above, 8 below, with mSGD beside. */
import { init, use } from 'echarts/core';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { courseOf } from './runs.mjs';

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const columns = [
  { measure: 'train_loss', title: 'training nll (sum over 60,000)', of: (value) => value },
  { measure: 'test_error', title: 'test error, %', of: (value) => 100 * value },
];
const colours = ['#0072b2', '#d55e00', '#009e73', '#7f7f7f', '#bbbbbb', '#cc79a7'];

/** An SVG of one panel a row and column; `rows` are { title, curves: [{ name, run }] }. */
export function figure(rows) {
  const panels = rows.flatMap((row, r) => columns.map((column, c) => ({ ...column, row, r, c })));
  const names = [...new Set(rows.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const [width, height] = [1100, 420 * rows.length + 60];
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  const box = ({ r, c }) => ({ left: 80 + c * 530, top: 90 + r * 420, width: 430, height: 300 });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: colours,
    legend: { top: 8, data: names, itemWidth: 28, textStyle: { fontSize: 14 } },
    title: panels.map((panel) => {
      const { left, top } = box(panel);
      return { text: `${panel.row.title}: ${panel.title}`, left, top: top - 38, textStyle: { fontSize: 15 } };
    }),
    grid: panels.map(box),
    xAxis: panels.map((_, index) => ({
      gridIndex: index,
      type: 'value',
      name: 'iterations',
      nameLocation: 'middle',
      nameGap: 28,
    })),
    yAxis: panels.map((_, index) => ({ gridIndex: index, type: 'log', minorSplitLine: { show: true } })),
    series: panels.flatMap(({ row, measure, of }, index) =>
      row.curves.map(({ name, run }) => ({
        name,
        type: 'line',
        xAxisIndex: index,
        yAxisIndex: index,
        showSymbol: true,
        symbolSize: 5,
        itemStyle: { color: colours[names.indexOf(name)] },
        lineStyle: { color: colours[names.indexOf(name)], width: 2 },
        // The first point, the untrained network, would take half of the picture.
        data: courseOf(run, measure)
          .filter(([iteration, value]) => iteration > 0 && value > 0)
          .map(([iteration, value]) => [iteration, of(value)]),
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

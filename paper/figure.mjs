/** Panels of curves with logarithmic y axes, two in a row, as an SVG. */
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

// Okabe and Ito's colours, told apart by colour-blind readers too.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#000000'];

/** `panels` are { title, curves: [{ name, points: [[x, y], ...] }] }; equal names have equal colours. */
export function figure(panels) {
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const rows = Math.ceil(panels.length / 2);
  const box = (index) => ({
    left: 70 + (index % 2) * 530,
    top: 90 + Math.floor(index / 2) * 420,
    width: 440,
    height: 300,
  });
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 1080, height: 420 * rows + 40 });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    // Without a browser widths of text are guessed, and too small: hence the gaps.
    legend: { top: 8, data: names, itemWidth: 28, itemGap: 40, textStyle: { fontSize: 13 } },
    title: panels.map(({ title }, index) => {
      const { left, top } = box(index);
      return { text: title, left, top: top - 38, textStyle: { fontSize: 15 } };
    }),
    grid: panels.map((_, index) => box(index)),
    xAxis: panels.map((_, index) => ({
      gridIndex: index,
      type: 'value',
      name: 'iterations',
      nameLocation: 'middle',
      nameGap: 28,
    })),
    yAxis: panels.map(({ curves }, index) => ({ gridIndex: index, type: 'log', ...decades(curves) })),
    series: panels.flatMap(({ curves }, index) =>
      curves.map(({ name, points }) => {
        const color = colours[names.indexOf(name) % colours.length];
        return {
          name,
          type: 'line',
          xAxisIndex: index,
          yAxisIndex: index,
          symbolSize: 5,
          itemStyle: { color },
          lineStyle: { color, width: 2 },
          data: points,
        };
      }),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** An axis just as long as the curves need, in steps of 1, 2, 5. */
function decades(curves) {
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y));
  if (values.length === 0) return {};
  const nice = (value, round) => {
    const decade = 10 ** Math.floor(Math.log10(value));
    return round([1, 2, 5, 10].map((step) => step * decade));
  };
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return {
    min: nice(least, (steps) => steps.findLast((step) => step <= least)),
    max: nice(most, (steps) => steps.find((step) => step >= most)),
  };
}

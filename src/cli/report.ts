import { Command } from 'commander';
import type { Decision, Optimizer } from '../guard/optimizer.js';
import type { MediaPorts } from '../server/media-ports.js';
import { ServerApi } from '../monitor/server-api.js';

interface Flags {
  url: string;
  token?: string;
  json?: boolean;
}

type Report = ReturnType<Optimizer['report']> & { media: MediaPorts };

export function reportCommand(): Command {
  return new Command('report')
    .description('What a running server decided by itself and why, its memory contract, and how much it can take.')
    .option('--url <url>', 'where the server is', 'http://127.0.0.1:8010')
    .option('--token <token>', 'its access token, when it has one (or DH_LIVE_SERVER_TOKEN)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  dh-live report --url http://127.0.0.1:8010')
    .action(async (flags: Flags) => {
      const { url, token = process.env['DH_LIVE_SERVER_TOKEN'] } = flags;
      const report = await fetchReport(url, token);
      process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : `${reportText(report)}\n`);
    });
}

/** Throws `server_unreachable`, `unauthorized`, and `bad_request` for an address that is none. */
async function fetchReport(url: string, token: string | undefined): Promise<Report> {
  const api = new ServerApi({ url, token });
  const { status, body } = await api.get('report');
  if (status !== 200) throw api.unreachable(`It answers with status ${status}.`);
  if (!Array.isArray((body as Partial<Report> | null)?.decisions))
    throw api.unreachable('Something else answers there.');
  return body as Report;
}

/** The report as lines for people. */
export function reportText(report: Report): string {
  const { contract, loans, capacity, machine, session, measurement, pressure, media } = report;
  const mb = (value: number): string => `${Math.round(value)} MB`;
  const lines = [
    `preset ${report.preset}: ${session.width}×${session.height}, x264 ${session.x264Preset}`,
    `machine: ${machine.cores} cores, ${machine.stages} of them for stages${machine.cpu === undefined ? '' : `, ${machine.cpu}`}`,
    `load: ${pressure.step}; busiest stage ${Math.round(pressure.stagePercent)} % of a core, machine ${Math.round(pressure.machinePercent)} %`,
    `media: UDP ${media.ports.join(', ')} on ${media.address}`,
    '',
    'MEMORY',
    ...contract.items.map(
      ({ process, what, mb: value }) => `  ${`${process} ${what}`.padEnd(44)} ${mb(value).padStart(9)}`,
    ),
    `  ${'expected with main and one viewer'.padEnd(44)} ${mb(contract.expectedMb).padStart(9)}`,
    `  ${'each further session'.padEnd(44)} ${mb(contract.furtherSessionMb).padStart(9)}`,
    `  ${'least limit'.padEnd(44)} ${mb(contract.needMb).padStart(9)}`,
    `  ${'limit'.padEnd(44)} ${mb(contract.limitMb).padStart(9)}`,
    '',
    'BORROWED WHILE IT RUNS',
    ...contract.borrowers.map(({ process, what, mb: value }) => {
      const lent = loans.loans.filter((loan) => loan.process === process).reduce((sum, { bytes }) => sum + bytes, 0);
      const now = lent > 0 ? `, ${mb(lent / 1e6)} now` : '';
      return `  ${`${process} ${what}`.padEnd(44)} ${mb(value).padStart(9)}${now}`;
    }),
    `  ${'free for it before others lend'.padEnd(44)} ${mb(loans.spareBytes / 1e6).padStart(9)}`,
    '',
    'SESSIONS',
    `  by the setting ${capacity.bySetting}, by memory ${capacity.byMemory}, by CPU ${capacity.byCpu ?? 'not measured'} that speak at once` +
      (capacity.byCpuIdle === null ? '' : ` or ${capacity.byCpuIdle} idle`),
    ...Object.entries(measurement?.costs ?? {}).map(
      ([name, { cpuMs }]) => `  a picture of preset ${name} takes ${cpuMs.toFixed(1)} ms of CPU`,
    ),
    '',
    'DECISIONS',
    ...report.decisions.map(decisionLine),
  ];
  return lines.join('\n');
}

function decisionLine({ whenMs, what, why, figures }: Decision): string {
  const time = new Date(whenMs).toISOString().slice(11, 19);
  const values = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return `  ${time}  ${what}: ${why}${values.length === 0 ? '' : ` (${values.join(', ')})`}`;
}

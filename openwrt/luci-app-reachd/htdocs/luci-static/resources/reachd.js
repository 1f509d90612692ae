'use strict';
'require baseclass';
'require rpc';

/* What the pages of reachd share: its answers, and how they are put into words. The texts of an
 * answer are reachd's own, in English; what is said around them is translated. */

const UNITS = [[86400, _('%d d')], [3600, _('%d h')], [60, _('%d min')], [1, _('%d s')]];

/* What the ISP gives, by the words of `reachd line`. */
const LINES = {
	public: ['success', _('public address')],
	cgnat: ['warning', _("carrier's NAT (CGNAT)")],
	cgnat_behind_nat: ['warning', _("carrier's NAT (CGNAT), above another router")],
	double_nat: ['warning', _('double NAT: another router above')],
	ds_lite: ['warning', _('DS-Lite: the ISP translates IPv4')],
	map_e: ['notice', _('MAP-E: an address shared by ports')],
	map_t: ['notice', _('MAP-T: an address shared by ports')],
	lw4o6: ['notice', _('lw4o6: an address shared by ports')],
	'464xlat': ['warning', _('464XLAT: the ISP translates IPv4')],
	vpn_egress: ['warning', _('VPN: packets leave through a tunnel')],
	mobile_carrier: ['warning', _("mobile network with the carrier's NAT")],
	down: ['danger', _('down')],
	unknown: ['notice', _('could not tell')],
};
const REACH = {
	proved: ['success', _('yes, proved')],
	open: ['success', _('probably')],
	partial: ['warning', _('in part')],
	blocked: ['warning', _('no, blocked')],
	down: ['warning', _('no, the target is down')],
	unknown: ['notice', _('could not tell')],
};
const EXPOSE = {
	ok: ['success', _('fine')],
	review: ['warning', _('look at it')],
	danger: ['danger', _('should not be open')],
};
const SEVERITY = {
	critical: ['danger', _('critical')],
	high: ['danger', _('high')],
	medium: ['warning', _('medium')],
	low: ['notice', _('low')],
	info: ['notice', _('info')],
};

const ports = ranges => (ranges ?? []).map(([from, to]) => from == to ? from : `${from}-${to}`).join(' ');

const ask = (method, params) => {
	const call = rpc.declare({ object: 'reachd', method, params, reject: true });
	return (...args) => call(...args).then(answer => {
		if (typeof answer != 'object' || answer.error)
			throw new Error(answer?.error ?? _('no answer'));
		return answer;
	});
};

const services = rpc.declare({ object: 'service', method: 'list', params: ['name'] });

return baseclass.extend({
	status: ask('status'),
	why: ask('why'),
	check: ask('check'),
	update: ask('update'),
	providers: ask('providers'),
	config: ask('config'),
	line: ask('line'),
	report: ask('report'),
	secret: ask('secret', ['account', 'option', 'value']),

	running() {
		return services('reachd').then(all => {
			const instances = Object.values(all?.reachd?.instances ?? {});
			return instances.some(instance => instance.running);
		}).catch(() => null);
	},

	/* Whole seconds as two numbers at most one would say. */
	span(seconds) {
		const [size, text] = UNITS.find(([size]) => seconds >= size * 2) ?? UNITS[3];
		return text.format(Math.round(seconds / size));
	},

	/* One record of `status`: [class of the badge, the badge, further lines]. */
	told(record) {
		const more = [];
		if (record.fix_config)
			return ['danger', _('needs you'), [record.fix_config]];
		if (record.trouble)
			more.push(record.trouble);
		if (record.next_try_in_seconds)
			more.push(_('next try in %s').format(this.span(record.next_try_in_seconds)));
		if (record.trouble)
			return ['warning', _('in trouble'), more];
		if (record.confirmed?.length)
			return ['success', _('up to date'), more];
		return ['notice', _('nothing published yet'), more];
	},

	ago(record) {
		return record.confirmed_seconds_ago == null
			? '–' : _('%s ago').format(this.span(record.confirmed_seconds_ago));
	},

	badge(kind, text) {
		const colours = {
			success: '#2d7a2d', warning: '#9a6700', danger: '#b3261e', notice: '#5b6470',
		};
		return E('span', {
			'style': `background:${colours[kind]};color:#fff;border-radius:3px;padding:1px 6px;`
				+ `font-size:85%;${text.length > 24 ? '' : 'white-space:nowrap'}`,
		}, [text]);
	},

	/* Small, below what it explains. */
	note(text) {
		return E('div', { 'style': 'opacity:.75;font-size:90%;overflow-wrap:break-word' }, [text]);
	},

	/* LuCI's table, which becomes cards on a phone. */
	table(titles, rows, empty) {
		const head = E('tr', { 'class': 'tr table-titles' },
			titles.map(title => E('th', { 'class': 'th' }, [title])));
		const body = rows.map(cells => E('tr', { 'class': 'tr' }, cells.map((cell, i) =>
			E('td', { 'class': 'td', 'data-title': titles[i] }, cell))));
		if (!rows.length)
			body.push(E('tr', { 'class': 'tr placeholder' }, [
				E('td', { 'class': 'td', 'colspan': titles.length }, [E('em', {}, [empty])])]));
		return E('table', { 'class': 'table' }, [head, ...body]);
	},

	/* `why` is not needed; with it, a name that is not published says why. */
	names(status, why) {
		return this.table([_('Name'), _('Address'), _('Confirmed'), _('State')],
			status.records.map(record => {
				const [kind, text, more] = this.told(record);
				const told = why?.names?.find(one =>
					one.fqdn == record.fqdn && one.type == record.type);
				if (kind == 'notice' && told)
					more.push(told.why);
				return [
					[E('strong', { 'style': 'overflow-wrap:break-word' }, [record.fqdn]), ' ',
						E('small', {}, [record.type])],
					[E('span', { 'style': 'overflow-wrap:break-word' },
						[record.confirmed?.join(' ') || '–'])],
					[this.ago(record)],
					[this.badge(kind, text), ...more.map(line => this.note(line))],
				];
			}), _('There is no name yet. Add an account and a name in the settings.'));
	},

	/* A word this page does not know yet is shown as it is. */
	verdict(words, word) {
		return this.badge(...(words[word] ?? ['notice', word]));
	},

	forwards(report) {
		return this.table([_('Forward'), _('Port'), _('To'), _('Can get in'), _('Should it')],
			report.forwards.map(forward => [
				[E('strong', {}, [forward.name || forward.uid])],
				[`${(forward.proto ?? []).join(' ')} ${ports(forward.ext)}`.trim()],
				[[forward.target?.host, forward.target?.ip, ports(forward.target?.ports)]
					.filter(part => part).join(' ')],
				[this.verdict(REACH, forward.reach?.certainty == 'proved'
					? 'proved' : forward.reach?.verdict),
					forward.reach?.why ? this.note(forward.reach.why) : ''],
				[this.verdict(EXPOSE, forward.expose?.verdict)],
			]), _('Nothing is forwarded.'));
	},

	finding(finding) {
		return E('div', { 'style': 'margin-bottom:1em' }, [
			this.verdict(SEVERITY, finding.severity), ' ',
			E('strong', {}, [`${finding.subject}: ${finding.title}`]),
			E('div', {}, [finding.text]),
			finding.fix ? E('div', {}, [E('em', {}, [_('What to do:'), ' ']), finding.fix]) : '',
			finding.snippet ? E('pre', { 'style': 'white-space:pre-wrap' }, [finding.snippet]) : '',
		]);
	},

	/* What is wrong, the worst first. */
	findings(report) {
		const order = Object.keys(SEVERITY);
		const all = report.findings.filter(finding => finding.status == 'fail')
			.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
		return all.length ? all.map(finding => this.finding(finding))
			: [E('em', {}, [_('Nothing was found to be wrong.')])];
	},

	/* What the line of a WAN is, from `reachd line`. */
	kind(wan) {
		return E('div', { 'style': 'margin-bottom:.8em' }, [
			E('strong', {}, [[wan.iface ?? wan.dev, wan.iface && wan.dev && wan.dev != wan.iface ? `(${wan.dev})` : '',
				wan.family == 'ipv6' ? 'IPv6' : 'IPv4'].filter(word => word).join(' ')]), ' ',
			this.verdict(LINES, wan.nat.kind),
			wan.nat.certainty == 'proved' ? E('small', {}, [' ', _('proved')]) : '',
			wan.meaning ? this.note(wan.meaning) : '',
		]);
	},
});

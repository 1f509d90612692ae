'use strict';
'require baseclass';
'require rpc';

/* What the pages of reachd share: its answers, and how they are put into words. The texts of an
 * answer are reachd's own, in English; what is said around them is translated. */

const UNITS = [[86400, _('%d d')], [3600, _('%d h')], [60, _('%d min')], [1, _('%d s')]];

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
				+ 'font-size:85%;white-space:nowrap',
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
});

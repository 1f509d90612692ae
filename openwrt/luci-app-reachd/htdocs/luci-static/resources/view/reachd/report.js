'use strict';
'require view';
'require reachd';

/* The report on port forwards: can the Internet get in, and should it. It is made when the page is
 * opened, which takes some seconds. A version of reachd that makes none says so. */

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

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return reachd.report().catch(error => error);
	},

	/* A word this page does not know yet is shown as it is. */
	verdict(words, word) {
		return reachd.badge(...(words[word] ?? ['notice', word]));
	},

	forwards(report) {
		return reachd.table([_('Name'), _('Port'), _('To'), _('Can get in'), _('Should it')],
			report.forwards.map(forward => [
				[E('strong', {}, [forward.name || forward.uid])],
				[`${(forward.proto ?? []).join(' ')} ${ports(forward.ext)}`.trim()],
				[[forward.target?.host, forward.target?.ip, ports(forward.target?.ports)]
					.filter(part => part).join(' ')],
				[this.verdict(REACH, forward.reach?.certainty == 'proved'
					? 'proved' : forward.reach?.verdict),
					forward.reach?.why ? reachd.note(forward.reach.why) : ''],
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

	render(report) {
		const page = content => E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [_('Port forwards')]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('For each one: can the Internet get in, and should it.')]),
			...content,
		]);
		if (report instanceof Error)
			return page([E('div', { 'class': 'alert-message warning' }, [
				_('There is no report: %s').format(report.message)])]);
		const order = Object.keys(SEVERITY);
		const findings = report.findings.filter(finding => finding.status == 'fail')
			.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
		return page([
			E('div', { 'class': 'cbi-section' }, [this.forwards(report)]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [_('Findings')]),
				...(findings.length ? findings.map(finding => this.finding(finding))
					: [E('em', {}, [_('Nothing was found to be wrong.')])]),
			]),
			report.unread?.length ? E('details', { 'class': 'cbi-section' }, [
				E('summary', { 'style': 'cursor:pointer' }, [_('What could not be looked at')]),
				...report.unread.map(one => reachd.note(`${one.part}: ${one.why}`)),
			]) : '',
		]);
	},
});

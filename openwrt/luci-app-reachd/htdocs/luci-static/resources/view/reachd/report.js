'use strict';
'require view';
'require reachd';

/* The report on port forwards: can the Internet get in, and should it. It is made when the page is
 * opened, which takes some seconds. A version of reachd that makes none says so. */

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return reachd.report().catch(error => error);
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
		return page([
			E('div', { 'class': 'cbi-section' }, [reachd.forwards(report)]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [_('Findings')]),
				...reachd.findings(report),
			]),
			report.unread?.length ? E('details', { 'class': 'cbi-section' }, [
				E('summary', { 'style': 'cursor:pointer' }, [_('What could not be looked at')]),
				...report.unread.map(one => reachd.note(`${one.part}: ${one.why}`)),
			]) : '',
		]);
	},
});

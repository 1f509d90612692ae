'use strict';
'require view';
'require dom';
'require poll';
'require ui';
'require reachd';

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		const or = promise => promise.catch(error => error);
		return Promise.all([or(reachd.status()), or(reachd.why()), reachd.running()]);
	},

	/* An answer, or why there is none. */
	part(answer, show) {
		return answer instanceof Error
			? [E('div', { 'class': 'alert-message warning' }, [answer.message])] : show(answer);
	},

	state(running) {
		if (running == null)
			return [];
		if (running)
			return [reachd.badge('success', _('running'))];
		return [reachd.badge('notice', _('not running')),
			reachd.note(_('Switch it on in the settings.'))];
	},

	wans(why) {
		return [reachd.table([_('Family'), _('Device'), _('Addresses')], why.wans.map(wan => [
			[wan.family == 'ipv6' ? 'IPv6' : 'IPv4'],
			wan.unknown ? [E('em', {}, [wan.unknown])]
				: wan.device ? [E('strong', {}, [wan.device]), reachd.note(wan.because)]
					: [_('no way to the Internet')],
			wan.addresses.length ? wan.addresses.map(address => E('div', {}, [
				E('span', { 'style': 'overflow-wrap:break-word' }, [address.ip]), ' ',
				reachd.badge(address.global ? 'success' : 'notice',
					address.global ? _('globally reachable') : address.class),
			])) : ['–'],
		]), _('Nothing is watched yet.'))];
	},

	reasons(why) {
		return [reachd.table([_('Name'), _('Decision'), _('Why')], why.names.map(name => [
			[E('span', { 'style': 'overflow-wrap:break-word' }, [name.fqdn]), ' ',
				E('small', {}, [name.type])],
			[name.decision],
			[name.why],
		]), _('There is nothing to decide.'))];
	},

	fill([status, why, running]) {
		const put = (id, content) => dom.content(this.parts[id], content);
		put('state', this.state(running));
		put('names', this.part(status, status => [reachd.names(status, why)]));
		put('wans', this.part(why, why => this.wans(why)));
		put('reasons', this.part(why, why => this.reasons(why)));
	},

	/* What takes seconds comes when it is there, and is not asked again until the page is. */
	later(id, ask, show) {
		dom.content(this.parts[id], [E('em', {}, [_('Looking…')])]);
		return ask().catch(error => error)
			.then(answer => dom.content(this.parts[id], this.part(answer, show)));
	},

	/* Rings the service, then shows what came of it. */
	ring(method, said) {
		return reachd[method]().then(() => {
			const notice = ui.addNotification(null, E('p', {}, [said]), 'info');
			window.setTimeout(() => notice.remove(), 4000);
			return new Promise(done => window.setTimeout(done, 1500));
		}).then(() => this.load()).then(answers => this.fill(answers)).catch(error => {
			ui.addNotification(null, E('p', {}, [error.message]), 'warning');
		});
	},

	button(style, method, text, title, said) {
		return E('button', {
			'class': `btn cbi-button cbi-button-${style}`,
			'title': title,
			'click': ui.createHandlerFn(this, 'ring', method, said),
		}, [text]);
	},

	render(answers) {
		const part = id => (this.parts[id] = E('div', {}));
		this.parts = {};
		const page = E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [_('Reachability')]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('reachd keeps your names pointed at this router.'), ' ', part('state')]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [_('Names')]),
				part('names'),
				E('div', { 'class': 'right', 'style': 'margin-top:.5em' }, [
					this.button('neutral', 'check', _('Check now'),
						_('Look now, and ask the DNS service whether the names are right'),
						_('reachd looks again.')), ' ',
					this.button('action', 'update', _('Update now'),
						_('Try everything again, also what failed for good'),
						_('reachd tries everything again.')),
				]),
			]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [_('Line')]), part('line'), part('wans')]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [_('Port forwards')]), part('forwards')]),
			E('details', { 'class': 'cbi-section' }, [
				E('summary', { 'style': 'cursor:pointer' }, [_('What would be done now, and why')]),
				part('reasons')]),
		]);
		this.fill(answers);
		// One after the other: LuCI would wait for both, and small routers have one core.
		this.later('line', reachd.line, answer => answer.line.wans.map(wan => reachd.kind(wan)))
			.then(() => this.later('forwards', reachd.report, report => [
				reachd.forwards(report), E('h4', {}, [_('Findings')]), ...reachd.findings(report)]));
		poll.add(() => this.load().then(answers => this.fill(answers)), 10);
		return page;
	},
});

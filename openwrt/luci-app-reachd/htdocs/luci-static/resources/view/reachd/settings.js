'use strict';
'require view';
'require dom';
'require rpc';
'require ui';
'require reachd';

/* The settings. They come from reachd itself, which names secrets and shows none; so this page
 * reads no config by LuCI's own means, and only hands its changes to them. A secret that is typed
 * here goes into a file of its own and is never read back. What an account takes is the provider's
 * own table; what is wrong is told by reachd, beside the field it is about. */

const uciAdd = rpc.declare({
	object: 'uci', method: 'add', params: ['config', 'type', 'name', 'values'], reject: true,
});
const uciSet = rpc.declare({
	object: 'uci', method: 'set', params: ['config', 'section', 'values'], reject: true,
});
const uciDelete = rpc.declare({
	object: 'uci', method: 'delete', params: ['config', 'section', 'options'], reject: true,
});

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?$/i;
const DOMAIN = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i;

/* What a value must look like, by the kind of the option; reachd itself checks the rest. */
const CHECKS = {
	url: [v => /^https?:\/\/[^\s@]+$/.test(v), _('an address like https://dns.example/api')],
	template: [v => /^https?:\/\/\S+$/.test(v), _('an address like https://dns.example/api')],
	host_port: [v => HOST.test(v), _('HOST or HOST:PORT')],
	domain: [v => DOMAIN.test(v), _('a domain name like example.org')],
	path: [v => v.startsWith('/') && !v.endsWith('/'), _('the full path of a file')],
	seconds: [v => /^[1-9]\d{0,6}$/.test(v), _('a whole number of seconds')],
	number: [v => /^[1-9]\d?$/.test(v), _('a whole number')],
	secret: [v => !/[\r\n]/.test(v), _('one line')],
};

const WAN = _('Network like wan, or device like eth1; empty: where the default route leads');
const COMMON = {
	account: [
		{ name: 'wan', kind: 'text', help: WAN },
		{ name: 'ca_file', kind: 'path', help: _("Trust roots for this service instead of the system's") },
		{ name: 'allow_http', kind: 'flag', help: _('Call it over http:// too: anyone on the way can read the secret') },
	],
	name: [
		{ name: 'host', kind: 'list', help: _('For IPv6: machines on your network instead of this router, one on each line: the end of an address like ::10, a MAC, or a name that DHCP knows') },
		{ name: 'lan', kind: 'text', default: 'lan', help: _('The network that these machines are in') },
		{ name: 'wan', kind: 'text', help: WAN },
		{ name: 'ttl', kind: 'seconds', help: _('Seconds; empty: the record keeps its own') },
	],
	reachd: [
		{ name: 'enabled', kind: 'flag', default: '1', label: _('Run reachd'), help: '' },
		{ name: 'log_level', kind: 'one_of', words: ['error', 'warn', 'info', 'debug'], default: 'info',
			label: _('Log'), help: _('How much goes to the system log') },
	],
	lookup: [
		{ name: 'url', kind: 'list', label: _('Services'), help: _('One address on each line; empty: the built-in ones') },
		{ name: 'agree', kind: 'number', default: '2', label: _('Must agree'),
			help: _('Services of different operators that must give the same answer') },
		{ name: 'interval', kind: 'seconds', default: '300', label: _('Every'),
			help: _('Seconds between two questions while such an address is published') },
		{ name: 'gateway_map', kind: 'flag', label: _('Try the router above'),
			help: _('Also ask it to map a port, and take that back at once: whether it would tells a shared line from a second router') },
	],
	hook: [
		{ name: 'url', kind: 'hidden', required: true, label: _('Address'),
			help: _('Where the message goes, like https://ntfy.sh/a-topic-nobody-guesses') },
		{ name: 'token', kind: 'secret', help: _('for {token}') },
	],
	hook_more: [
		{ name: 'method', kind: 'one_of', words: ['POST', 'GET', 'PUT'], default: 'POST', help: "the request's method" },
		{ name: 'body', kind: 'hidden', help: _('{text} is the message; {event}, {name}, {address} and {token} are filled in too') },
		{ name: 'content_type', kind: 'text', help: 'what body is' },
		{ name: 'username', kind: 'text', help: "for {user}, and {basic}: HTTP Basic's value" },
		{ name: 'password', kind: 'secret', help: 'for {password} and {basic}' },
	],
};
const TOPICS = [
	['address', _('a new address')], ['trouble', _('a name that cannot be kept')],
	['line', _('another kind of line')], ['report', _('port forwards and findings that changed')],
];
const SHARED = [
	['skip', _('publish nothing, and say so')],
	['outside', _('publish the address that the Internet sees')],
	['wan', _("publish the WAN's own address as it is")],
];

/* Themes make fields too narrow for an address, and cut the words of a choice. */
const WIDE = 'width:100%;max-width:36em';

const copy = value => JSON.parse(JSON.stringify(value));
const off = value => ['0', 'off', 'false', 'no', 'disabled'].includes(value);

return view.extend({
	load() {
		return Promise.all([reachd.config(), reachd.providers()]);
	},

	/* The answer as the page works on it. */
	take(config) {
		this.complaints = config.complaints;
		this.usable = config.usable;
		this.before = config.sections;
		this.sections = config.sections.map(section => ({ ...copy(section), typed: {} }));
		for (const [type, section] of [['reachd', 'main'], ['lookup', 'outside']])
			if (!this.sections.some(one => one.type == type))
				this.sections.push(this.fresh(type, section));
	},

	fresh(type, section) {
		return { type, section, options: {}, secrets: [], typed: {}, isNew: true };
	},

	of(type) {
		return this.sections.filter(section => section.type == type);
	},

	provider(account) {
		return this.providers.find(provider => provider.id == account?.options.provider);
	},

	before_of(section) {
		return this.before.find(one => one.section == section.section && !section.isNew);
	},

	/* An account that is of another service now. */
	moved(section) {
		const old = this.before_of(section);
		return old?.type == 'account' && old.options.provider != section.options.provider;
	},

	/* A field with its label, what it is for, and what is wrong with it. */
	row(section, option, label, help, field) {
		const wrong = E('div', { 'class': 'reachd-wrong', 'style': 'color:#b3261e' });
		for (const complaint of this.complaints)
			if (complaint.section == section.section
					&& [option, `${option}_file`].includes(complaint.option))
				wrong.append(E('div', {}, [complaint.text]));
		field.addEventListener('blur', ev => this.verify(ev.target, wrong), true);
		return E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title' }, [label]),
			E('div', { 'class': 'cbi-value-field' }, [
				field, wrong,
				help ? E('div', { 'class': 'cbi-value-description' }, [help]) : '',
			]),
		]);
	},

	/* True if the value may stand. An empty field is right unless it must not be. */
	verify(field, wrong) {
		const value = field.value?.trim() ?? '';
		let text = '';
		if (!value && field.dataset.required)
			text = _('This is needed.');
		else if (value && CHECKS[field.dataset.kind] && !CHECKS[field.dataset.kind][0](value))
			text = _('Not right: expected %s').format(CHECKS[field.dataset.kind][1]);
		field.classList.toggle('cbi-input-invalid', !!text);
		if (wrong)
			dom.content(wrong, text);
		return !text;
	},

	put(section, option, value) {
		if (value == null || value === '' || value.length === 0)
			delete section.options[option];
		else
			section.options[option] = value;
	},

	input(section, doc) {
		const now = section.options[doc.name];
		const attributes = {
			'class': 'cbi-input-text', 'style': WIDE, 'type': 'text', 'data-kind': doc.kind,
			'data-option': doc.name, 'value': now ?? '', 'placeholder': doc.default ?? '',
			'aria-label': doc.label ?? doc.name, 'spellcheck': 'false', 'autocapitalize': 'off',
			'change': ev => this.put(section, doc.name, ev.target.value.trim()),
		};
		if (doc.required)
			attributes['data-required'] = '1';
		return E('input', attributes);
	},

	/* Write-only: what is set is never here. */
	secret(section, doc) {
		const file = section.options[`${doc.name}_file`];
		// What was one service's is not shown to another.
		const set = !this.moved(section) && (file || section.secrets.includes(doc.name)
			|| section.secrets.includes(`${doc.name}_file`));
		return E('input', {
			'class': 'cbi-input-password', 'style': WIDE, 'type': 'password', 'autocomplete': 'new-password',
			'data-kind': 'secret', 'data-option': doc.name, 'aria-label': doc.name,
			'value': section.typed[doc.name] ?? '',
			...(doc.required && !set ? { 'data-required': '1' } : {}),
			'placeholder': set ? _('set; type to replace it') : _('not set'),
			'change': ev => { section.typed[doc.name] = ev.target.value.trim(); },
		});
	},

	/* Write-only too, but it stays in the config: where a message goes may be all that guards it. */
	hidden(section, doc) {
		const field = this.input(section, doc);
		if (section.secrets.includes(doc.name)) {
			delete field.dataset.required;
			field.placeholder = _('set; type to replace it');
		}
		return field;
	},

	list(section, doc) {
		const now = [].concat(section.options[doc.name] ?? []);
		return E('textarea', {
			'class': 'cbi-input-textarea', 'style': WIDE, 'rows': Math.max(2, now.length + 1),
			'data-option': doc.name, 'aria-label': doc.label ?? doc.name, 'spellcheck': 'false',
			...(doc.required ? { 'data-required': '1' } : {}),
			'change': ev => this.put(section, doc.name,
				ev.target.value.split('\n').map(line => line.trim()).filter(line => line)),
		}, [now.join('\n')]);
	},

	flag(section, doc) {
		const now = section.options[doc.name] ?? doc.default ?? '0';
		return E('input', {
			'type': 'checkbox', 'data-option': doc.name, 'aria-label': doc.label ?? doc.name,
			...(off(now) ? {} : { 'checked': '' }),
			'change': ev => this.put(section, doc.name, ev.target.checked ? '1' : '0'),
		});
	},

	select(section, name, choices, first, changed) {
		const now = section.options[name] ?? first;
		if (!choices.some(([value]) => value == now))
			choices = [[now ?? '', now ?? '–'], ...choices];
		return E('select', {
			'class': 'cbi-input-select', 'style': WIDE, 'data-option': name, 'aria-label': name,
			'change': ev => {
				this.put(section, name, ev.target.value);
				changed?.();
			},
		}, choices.map(([value, text]) => E('option',
			{ 'value': value, ...(value == now ? { 'selected': '' } : {}) }, [text])));
	},

	/* The field of one option of a table. */
	field(section, doc) {
		switch (doc.kind) {
		case 'secret': return this.secret(section, doc);
		case 'hidden': return this.hidden(section, doc);
		case 'flag': return this.flag(section, doc);
		case 'list':
		case 'tests': return this.list(section, doc);
		case 'one_of': return this.select(section, doc.name, doc.words.map(w => [w, w]),
			doc.default ?? doc.words[0]);
		default: return this.input(section, doc);
		}
	},

	rows(section, docs) {
		return docs.map(doc => this.row(section, doc.name, doc.label ?? doc.name,
			doc.help ? _(doc.help) : '', this.field(section, doc)));
	},

	/* Rarely needed: folded away unless set or wrong. */
	more(section, docs) {
		const open = docs.some(doc => section.options[doc.name] != null
			|| this.complaints.some(c => c.section == section.section && c.option == doc.name));
		return E('details', open ? { 'open': '' } : {}, [
			E('summary', { 'style': 'cursor:pointer;margin:.5em 0' }, [_('More options')]),
			...this.rows(section, docs),
		]);
	},

	account(account) {
		const provider = this.provider(account);
		const choices = this.providers.map(one => [one.id, one.id == one.about.toLowerCase()
			? one.id : `${one.id} – ${_(one.about)}`]);
		const rows = [this.row(account, 'provider', _('Service'), '',
			this.select(account, 'provider', choices, undefined, () => this.show()))];
		if (provider) {
			const needed = provider.options.filter(doc => doc.required || doc.kind == 'secret');
			const rest = provider.options.filter(doc => !needed.includes(doc));
			rows.push(...this.rows(account, needed), this.more(account, [...rest, ...COMMON.account]));
		}
		return rows;
	},

	/* Several of a few words; none listed means all, or the first so many. */
	boxes(section, option, choices, first) {
		const listed = [].concat(section.options[option]
			?? choices.slice(0, first).map(([value]) => value));
		const boxes = choices.map(([value, text]) => E('label', { 'style': 'margin-right:1em' }, [
			E('input', {
				'type': 'checkbox', 'data-value': value,
				...(listed.includes(value) ? { 'checked': '' } : {}),
				'change': ev => {
					const all = ev.target.closest('.cbi-value-field').querySelectorAll('[data-value]');
					this.put(section, option, [...all].filter(b => b.checked).map(b => b.dataset.value));
				},
			}), ` ${text}`]));
		return E('div', {}, boxes);
	},

	hook(hook) {
		return [
			...this.rows(hook, COMMON.hook),
			this.row(hook, 'on', _('Tell me of'), '', this.boxes(hook, 'on', TOPICS, 2)),
			this.more(hook, [...COMMON.hook_more, ...COMMON.account]),
		];
	},

	name(name) {
		const accounts = this.of('account').map(account => [account.section, account.section]);
		const account = this.of('account').find(one => one.section == name.options.account);
		const families = this.provider(account)?.families ?? ['ipv4', 'ipv6'];
		return [
			this.row(name, 'fqdn', _('Name'), _('The full name, like home.example.org'),
				this.input(name, { name: 'fqdn', kind: 'domain', required: true, label: _('Name') })),
			this.row(name, 'account', _('Account'), '',
				this.select(name, 'account', accounts, accounts[0]?.[0], () => this.show())),
			this.row(name, 'family', _('Addresses'), '', this.boxes(name, 'family',
				families.map(family => [family, family == 'ipv6' ? 'IPv6' : 'IPv4']))),
			this.row(name, 'shared_line', _('On a shared line'),
				_('Where the Internet cannot reach the address of this router: behind a carrier\'s NAT, or another router'),
				this.select(name, 'shared_line', SHARED, 'skip')),
			this.more(name, COMMON.name),
		];
	},

	/* One section of which there may be several. */
	card(section, rows) {
		const here = this.complaints.filter(complaint =>
			complaint.section == section.section && !complaint.option);
		return E('div', {
			'class': 'cbi-section-node', 'data-section': section.section,
			'style': 'border:1px solid rgba(128,128,128,.35);border-radius:4px;padding:.5em 1em;margin-bottom:1em',
		}, [
			E('div', { 'style': 'display:flex;justify-content:space-between;align-items:center;gap:1em' }, [
				E('h4', { 'style': 'margin:.3em 0;overflow-wrap:break-word' }, [section.section]),
				E('span', { 'style': 'white-space:nowrap' }, [
					E('label', {}, [this.flag(section, { name: 'enabled', default: '1', label: _('enabled') }),
						' ', _('enabled')]), ' ',
					E('button', {
						'class': 'btn cbi-button cbi-button-remove',
						'click': ev => {
							ev.preventDefault();
							this.sections = this.sections.filter(one => one != section);
							this.show();
						},
					}, [_('Delete')]),
				]),
			]),
			...here.map(complaint => this.alarm(complaint)),
			...rows,
		]);
	},

	alarm(complaint) {
		return E('div', {
			'class': `alert-message ${complaint.severity == 'error' ? 'danger' : 'warning'}`,
		}, [complaint.text]);
	},

	/* A field for the name of a new section, which others refer to. */
	adder(type, hint, options) {
		const field = E('input', {
			'class': 'cbi-input-text', 'type': 'text', 'placeholder': hint, 'maxlength': 32,
			'aria-label': hint, 'style': 'max-width:14em',
		});
		return E('div', { 'class': 'cbi-section-create' }, [field, ' ', E('button', {
			'class': 'btn cbi-button cbi-button-add', 'style': 'flex:none',
			'click': ev => {
				ev.preventDefault();
				const section = field.value.trim();
				const taken = this.sections.some(one => one.section == section);
				const right = /^[A-Za-z0-9_]+$/.test(section) && !taken;
				field.classList.toggle('cbi-input-invalid', !right);
				if (!right)
					return;
				const fresh = this.fresh(type, section);
				fresh.options = options();
				this.sections.push(fresh);
				this.show();
			},
		}, [_('Add')])]);
	},

	part(title, about, content) {
		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [title]),
			about ? E('div', { 'class': 'cbi-section-descr' }, [about]) : '',
			...content,
		]);
	},

	show() {
		const main = this.of('reachd')[0];
		const lookup = this.of('lookup')[0];
		const sections = this.sections.map(section => section.section);
		const general = this.complaints.filter(one => !sections.includes(one.section));
		dom.content(this.page, [
			...general.map(complaint => this.alarm(complaint)),
			this.part(_('Service'), '', this.rows(main, COMMON.reachd)),
			this.part(_('Accounts'),
				_('Who holds your names. A secret is kept in a file on the router and is never shown again.'), [
					...this.of('account').map(one => this.card(one, this.account(one))),
					this.adder('account', _('a word of your choice'), () => ({ provider: 'cloudflare' })),
				]),
			this.part(_('Names'), _('Which names point here.'), [
				...this.of('name').map(one => this.card(one, this.name(one))),
				this.of('account').length
					? this.adder('name', _('a word of your choice'),
						() => ({ account: this.of('account')[0].section }))
					: E('em', {}, [_('Add an account first.')]),
			]),
			this.part(_('Lookups'),
				_('Who is asked which address the Internet sees, for names that publish it.'),
				this.rows(lookup, COMMON.lookup)),
			this.part(_('Messages'),
				_('Who is told of a new address, or of a name that cannot be kept. The address of a message is never shown again.'), [
					...this.of('hook').map(one => this.card(one, this.hook(one))),
					this.adder('hook', _('a word of your choice'), () => ({})),
				]),
		]);
	},

	render([config, providers]) {
		this.providers = providers.providers;
		this.take(config);
		this.page = E('div', {});
		this.show();
		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [_('Reachability: settings')]), this.page]);
	},

	/* LuCI drops what a handler throws: nobody would hear of it. */
	told(promise) {
		return promise.catch(error => {
			this.notice?.remove();
			this.notice = ui.addNotification(null, E('p', {}, [error.message]), 'danger');
			throw error;
		});
	},

	handleSave() {
		return this.told(this.store());
	},

	/* What has been typed goes to the router as LuCI's unsaved changes; secrets go into files. */
	async store() {
		document.activeElement?.blur();
		let right = true;
		for (const field of this.page.querySelectorAll('[data-kind],[data-required]'))
			if (!this.verify(field, field.closest('.cbi-value-field').querySelector('.reachd-wrong')))
				right = false;
		if (!right) {
			const first = this.page.querySelector('.cbi-input-invalid');
			first.closest('details')?.setAttribute('open', '');
			first.scrollIntoView?.({ block: 'center' });
			throw new TypeError(_('Something is missing or not right.'));
		}
		for (const section of this.sections)
			await this.save(section);
		for (const old of this.before)
			if (!this.sections.some(section => section.section == old.section))
				await uciDelete('reachd', old.section);
		this.take(await reachd.config());
		this.notice?.remove();
		this.show();
		await ui.changes?.init?.();
	},

	async save(section) {
		const old = this.before_of(section);
		const gone = [];
		// What the new service does not know would be an error, and the old one's secrets are
		// not its affair.
		if (this.moved(section)) {
			const docs = [...(this.provider(section)?.options ?? []), ...COMMON.account];
			const known = docs.filter(doc => doc.kind != 'secret').map(doc => doc.name);
			for (const option of Object.keys(section.options))
				if (![...known, 'enabled', 'provider'].includes(option))
					delete section.options[option];
			gone.push(...old.secrets);
		}
		for (const [option, value] of Object.entries(section.typed)) {
			if (!value)
				continue;
			const { file } = await reachd.secret(section.section, option, value);
			section.options[`${option}_file`] = file;
			gone.push(option);
		}
		if (section.isNew) {
			if (Object.keys(section.options).length || ['account', 'name', 'hook'].includes(section.type))
				await uciAdd('reachd', section.type, section.section, section.options);
			return;
		}
		const values = {};
		for (const [option, value] of Object.entries(section.options))
			if (JSON.stringify(value) != JSON.stringify(old.options[option]))
				values[option] = value;
		gone.push(...Object.keys(old.options).filter(option => !(option in section.options)));
		// Secrets in the config itself are in `gone` once they are in a file.
		const dead = gone.filter(option => option in old.options || old.secrets.includes(option));
		if (dead.length)
			await uciDelete('reachd', section.section, [...new Set(dead)]);
		if (Object.keys(values).length)
			await uciSet('reachd', section.section, values);
	},

	handleSaveApply(ev, mode) {
		return this.handleSave(ev).then(() => {
			if (this.usable)
				return ui.changes.apply(mode == '0');
			this.page.querySelector('.reachd-wrong:not(:empty), .alert-message.danger')
				?.scrollIntoView?.({ block: 'center' });
			ui.addNotification(null, E('p', {}, [
				_('Not applied: mend what is marked first. reachd would keep its old settings.')]), 'danger');
		});
	},

	handleReset() {
		return this.told(reachd.config().then(config => {
			this.take(config);
			this.show();
		}));
	},
});

"""Titles as people write them, by language and the level that somebody who speaks it would give them. Made up."""

from __future__ import annotations

SAMPLES: dict[str, dict[str, list[str]]] = {
    "de": {
        "c_level": [
            "Geschäftsführer", "Geschäftsführerin", "Geschaeftsfuehrer", "Geschäftsführer/in",
            "Geschäftsführer:in", "Geschäftsführende Gesellschafterin", "Kaufmännischer Geschäftsführer",
            "GF", "Vorstand", "Vorstandsvorsitzende", "Finanzvorstand", "Mitglied der Geschäftsleitung",
            "Inhaberin", "Gründer & CEO", "Firmeninhaber", "Sprecher des Vorstands", "Geschäftsführung",
            "Eigentümer", "Präsidentin",
        ],
        "vice_president": [
            "Stellv. Geschäftsführer", "Vizepräsidentin", "Stellvertretende Geschäftsführerin",
        ],
        "director": [
            "Leiter Vertrieb", "Leiterin Marketing", "Vertriebsleiter", "Vertriebsleiterin DACH",
            "Abteilungsleiterin", "Bereichsleiter Einkauf", "Leitung Controlling", "Leiter (m/w/d) IT",
            "Prokurist", "Prokuristin, Leitung HR", "Personalleiter", "Werksleiter",
            "Direktor Produktion", "Leiter der Abteilung Einkauf", "Marketingleitung", "Head of Vertrieb",
        ],
        "manager": [
            "Teamleiter Innendienst", "Teamleiterin", "Projektleiter", "Produktmanagerin",
            "Gruppenleiter Entwicklung", "Stv. Leiter Einkauf", "Filialleiterin", "Küchenchef",
            "Marketingverantwortliche", "Key-Account-Manager",
        ],
        "specialist": [
            "Sachbearbeiterin Einkauf", "Vertriebsmitarbeiter", "Referentin der Geschäftsführung",
            "Softwareentwickler", "Wirtschaftsingenieur", "Datenschutzbeauftragte", "Industriekaufmann",
            "Referent Geschäftsführung", "Anwendungsberaterin", "Steuerberater", "Interner Auditor",
            "Wissenschaftliche Mitarbeiterin",
        ],
        "intern": [
            "Werkstudent", "Werkstudentin Marketing", "Praktikant", "Auszubildende", "Azubi",
            "Dualer Student",
        ],
        "assistant": [
            "Assistenz der Geschäftsführung", "Assistentin des Vorstands", "Vorstandsassistent",
            "Sekretärin", "Vertriebsassistentin", "Assistenz GF", "Geschäftsführungsassistentin",
            "Assistentin Geschäftsführer",
        ],
        "": [
            "ehemaliger Geschäftsführer", "Rentner", "ehemalige Vertriebsleiterin", "Astronautin",
        ],
    },
    "fr": {
        "c_level": [
            "PDG", "P.D.G.", "Président-Directeur Général", "Directrice Générale", "Directeur général",
            "DG", "Présidente", "Gérant", "Gérante", "Fondatrice & CEO", "Cofondateur",
            "Chef d'entreprise", "Dirigeant", "Administrateur délégué", "Co-fondatrice",
            "Secrétaire général", "Président du directoire",
        ],
        "vice_president": [
            "Directeur général adjoint", "Directrice générale adjointe", "Vice-présidente", "DGA",
        ],
        "director": [
            "Directrice", "Directeur des ventes", "Directrice marketing", "Directeur commercial", "DRH",
            "DSI", "DAF", "Directeur adjoint", "Sous-directrice", "Directeur.rice de la communication",
            "Directeur(rice) financier(e)", "Directrice des ressources humaines", "Directeur d'usine",
        ],
        "manager": [
            "Responsable marketing", "Responsable des achats", "Chef de projet", "Cheffe de produit",
            "Chef d'équipe", "Chef des ventes", "Rédactrice en chef", "Resp. communication",
            "Chef du service comptable",
        ],
        "specialist": [
            "Chargée de communication", "Chargé·e de clientèle", "Chargé d'affaires",
            "Ingénieur commercial", "Comptable", "Technicienne de maintenance",
            "Conseillère du président", "Développeur web", "Consultante", "Acheteur",
            "Attachée commerciale", "Gestionnaire de paie", "Juriste",
        ],
        "intern": [
            "Stagiaire", "Stagiaire marketing", "Alternante", "Apprenti", "Étudiante en commerce",
        ],
        "assistant": [
            "Assistante de direction", "Assistant du directeur général", "Secrétaire de direction",
            "Assistante du PDG", "Secrétaire du directeur",
        ],
        "": [
            "Ancien directeur général", "Ancienne directrice", "Retraité", "Astronaute",
        ],
    },
    "es": {
        "c_level": [
            "Director General", "Directora General", "Director Ejecutivo", "Consejero Delegado",
            "Consejera delegada", "Gerente General", "Presidente", "Presidenta ejecutiva",
            "Fundadora y CEO", "Socio fundador", "Propietario", "Dueña", "Empresario", "Cofundador",
            "Administrador único", "Director(a) General",
        ],
        "vice_president": [
            "Vicepresidente de Ventas", "Vicepresidenta", "Director General Adjunto",
        ],
        "director": [
            "Director Comercial", "Directora de Marketing", "Director/a de RRHH", "Director financiero",
            "Subdirectora", "Director de Operaciones", "Director Adjunto", "Directora de Compras",
            "Jefe de gabinete", "Directivo",
        ],
        "manager": [
            "Jefe de ventas", "Jefa de Producto", "Gerente de Marketing", "Responsable de compras",
            "Encargado de tienda", "Gerente Regional", "Supervisora de turno", "Jefe de equipo",
            "Gte. Comercial", "Líder de proyecto",
        ],
        "specialist": [
            "Ejecutiva de cuentas", "Ejecutivo de ventas", "Técnico de sistemas", "Analista de datos",
            "Ingeniera industrial", "Asesor del director", "Administrador de sistemas", "Administrativo",
            "Contable", "Consultora", "Abogada", "Coordinador de marketing", "Comprador(a)",
        ],
        "intern": [
            "Becario", "Becaria de marketing", "Practicante", "Pasante", "Ingeniero en prácticas",
        ],
        "assistant": [
            "Asistente de dirección", "Secretaria de Dirección", "Asistente del Director General",
            "Auxiliar administrativo", "Asistente de Gerencia General",
        ],
        "": [
            "Antiguo director general", "Jubilado", "Astronauta",
        ],
    },
    "pt": {
        "c_level": [
            "Diretor Presidente", "Diretora-Presidente", "Diretor Geral", "Diretora-Geral",
            "Diretor Executivo", "Presidente", "Sócio-fundador", "Sócia administradora", "Sócio Diretor",
            "Proprietária", "Dono", "Fundadora e CEO", "Empresário", "Administrador Delegado",
            "Presidente do Conselho", "Co-fundador", "Sócio-Gerente",
        ],
        "vice_president": [
            "Vice-Presidente", "Vice-Presidente de Vendas", "Diretor Geral Adjunto",
        ],
        "director": [
            "Diretor", "Diretora Comercial", "Diretor de Marketing", "Diretor(a) Financeiro(a)",
            "Diretora de Recursos Humanos", "Superintendente", "Gerente Geral", "Diretor Adjunto",
            "Chefe de Gabinete", "Director de Compras",
        ],
        "manager": [
            "Gerente de Vendas", "Gerente Comercial", "Gestor de Projetos", "Gestora de Contas",
            "Chefe de Equipe", "Responsável de Marketing", "Supervisor de Produção",
            "Encarregada de Loja", "Líder Técnico",
        ],
        "specialist": [
            "Analista de Marketing", "Analista Sênior", "Coordenadora de Vendas", "Coordenador(a) de RH",
            "Engenheira", "Engenheiro de Software", "Consultor", "Assessor do Presidente", "Advogada",
            "Executiva de Contas", "Vendedor", "Técnico de Informática", "Desenvolvedor", "Contador",
        ],
        "intern": [
            "Estagiário", "Estagiária de Direito", "Jovem Aprendiz", "Estudante", "Bolsista",
        ],
        "assistant": [
            "Assistente da Diretoria", "Assistente do Diretor", "Secretária Executiva",
            "Auxiliar Administrativo", "Assistente do Presidente",
        ],
        "": [
            "Antigo diretor geral", "Aposentado", "Astrônomo",
        ],
    },
    "it": {
        "c_level": [
            "Amministratore Delegato", "Amministratrice delegata", "Amministratore unico", "Presidente",
            "Direttore Generale", "Direttrice Generale", "Titolare", "Fondatore", "Co-fondatrice",
            "Socio fondatore", "Imprenditrice", "Legale Rappresentante", "Consigliere di Amministrazione",
            "Proprietaria", "Presidente e fondatore",
        ],
        "vice_president": [
            "Vicepresidente", "Vice Presidente Vendite", "Vicedirettore generale",
        ],
        "director": [
            "Direttore Commerciale", "Direttrice Marketing", "Direttore di stabilimento",
            "Direttrice del personale", "Dirigente", "Dirigente medico", "Direttore Acquisti",
            "Vicedirettore", "Direttore/Direttrice HR", "Direttore tecnico",
        ],
        "manager": [
            "Responsabile Marketing", "Responsabile Ufficio Acquisti", "Capo progetto", "Capoufficio",
            "Capo area", "Resp. commerciale", "Quadro", "Project Manager", "Caporeparto",
            "Responsabile delle vendite", "Capo cantiere",
        ],
        "specialist": [
            "Impiegata amministrativa", "Addetto alle vendite", "Ingegnere", "Consulente",
            "Consulente del direttore", "Tecnico informatico", "Amministratore di sistema",
            "Amministratore di rete", "Sviluppatrice", "Ragioniere", "Avvocato", "Agente di commercio",
            "Analista programmatore", "Coordinatrice eventi",
        ],
        "intern": [
            "Tirocinante", "Stagista", "Studentessa", "Apprendista",
        ],
        "assistant": [
            "Assistente di direzione", "Segretaria di direzione", "Assistente del Direttore Generale",
            "Segretaria", "Segreteria del presidente", "Assistente amministratore delegato",
        ],
        "": [
            "Pensionato", "già direttore generale", "Astronauta",
        ],
    },
    "nl": {
        "c_level": [
            "Algemeen directeur", "Eigenaar", "Eigenaresse", "Oprichter", "Medeoprichter",
            "Mede-oprichter & CEO", "Directeur-eigenaar", "Bestuurder", "Bestuursvoorzitter",
            "Lid Raad van Bestuur", "Zaakvoerder", "Gedelegeerd bestuurder", "Voorzitter", "Ondernemer",
            "Oprichter en directeur", "Directeur grootaandeelhouder",
        ],
        "vice_president": [
            "Vicevoorzitter", "Vice-voorzitter", "Adjunct-algemeen directeur",
        ],
        "director": [
            "Directeur", "Financieel directeur", "Commercieel directeur", "Hoofd Marketing",
            "Hoofd van de afdeling Inkoop", "Afdelingshoofd", "Adjunct-directeur", "Directrice",
            "Directeur Verkoop", "Hoofd ICT",
        ],
        "manager": [
            "Accountmanager", "Marketingmanager", "Teamleider", "Teamleidster", "Projectleider",
            "Vestigingsmanager", "Bedrijfsleider", "Intern accountmanager", "Leidinggevende",
            "Hoofdredacteur", "Filiaalmanager", "Adjunct-hoofd",
        ],
        "specialist": [
            "Medewerker verkoop", "Administratief medewerkster", "Adviseur", "Beleidsadviseur",
            "Softwareontwikkelaar", "Verkoper binnendienst", "Inkoper", "Coördinator",
            "Marketingcoördinator", "Systeembeheerder", "Boekhouder", "Adviseur van de directeur",
            "ZZP'er", "HR-adviseur",
        ],
        "intern": [
            "Stagiair", "Stagiaire communicatie", "Werkstudent", "Afstudeerder",
        ],
        "assistant": [
            "Directiesecretaresse", "Directieassistente", "Assistent van de directeur", "Secretaresse",
            "Managementassistent", "Assistente van de algemeen directeur",
        ],
        "": [
            "Voormalig directeur", "Gepensioneerd", "Astronoom",
        ],
    },
}  # fmt: skip

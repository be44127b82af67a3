"""The objects that an org has with their fields, the values that some of these take, and what is a child of what."""

from __future__ import annotations

from gateway_sandbox.salesforce.fields import Field, field_of

LEAD_STATUS = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
CONVERTED_STATUS = "Closed - Converted"
STAGES = {
    "Prospecting": (10, False, False),
    "Qualification": (20, False, False),
    "Proposal/Price Quote": (60, False, False),
    "Negotiation/Review": (80, False, False),
    "Closed Won": (100, True, True),
    "Closed Lost": (0, True, False),
}
"""Stage → (probability, closed, won)."""
_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")


# name  type(length, or picklist)  flags: ! required, r read-only, c create-only, x external id and unique, > reference
_SYSTEM = """
Id id r
IsDeleted boolean r
CreatedDate datetime r
CreatedById >User r
LastModifiedDate datetime r
LastModifiedById >User r
SystemModstamp datetime r
"""
_PERSON = """
FirstName string(40)
LastName string(80) !
Name string(121) r
Salutation picklist(Mr.|Ms.|Mrs.|Dr.|Prof.)
Title string(128)
Email email(80)
Phone phone(40)
MobilePhone phone(40)
Description textarea(32000)
HasOptedOutOfEmail boolean
DoNotCall boolean
"""
_GATEWAY = """
Gateway_Id__c string(36) x
Gateway_Score__c double(5,1)
Gateway_Fit__c double(5,1)
Gateway_Behaviour__c double(5,1)
Gateway_Grade__c picklist*(great|good|bad)
Gateway_Band__c picklist*(great|good|bad)
Gateway_Stage__c string(40)
Gateway_Bucket__c picklist*(sales_qualified|sales_rejected|recycled)
Gateway_Bucket_Reason__c string(255)
Gateway_Reason__c string(255)
Gateway_Reasons__c textarea(32000)
Gateway_Handoff__c string(64)
Gateway_Summary__c textarea(32000)
Gateway_Next_Step__c textarea(32000)
Gateway_Answer_By__c datetime
Gateway_Scored_At__c datetime
"""
_OBJECTS = {
    "Lead": f"""
        {_PERSON}
        Company string(255) !
        Industry string(255)
        Website url(255)
        Street textarea(255)
        City string(40)
        State string(80)
        PostalCode string(20)
        Country string(80)
        NumberOfEmployees int(8)
        AnnualRevenue currency(18,0)
        LeadSource picklist({"|".join(_SOURCES)})
        Status picklist({"|".join(LEAD_STATUS)}) =Open - Not Contacted
        Rating picklist(Hot|Warm|Cold)
        OwnerId >User|Group
        IsConverted boolean r
        ConvertedDate date r
        ConvertedAccountId >Account r
        ConvertedContactId >Contact r
        ConvertedOpportunityId >Opportunity r
        MasterRecordId >Lead r
        IsUnreadByOwner boolean
        Reject_Reason__c string(255)
        """,
    "Contact": f"""
        {_PERSON}
        AccountId >Account
        Department string(80)
        LeadSource picklist({"|".join(_SOURCES)})
        Contact_Status__c picklist(Working|Qualified|Closed)
        Reject_Reason__c string(255)
        MailingCity string(40)
        MailingCountry string(80)
        OwnerId >User
        MasterRecordId >Contact r
        """,
    "Account": """
        Name string(255) !
        Website url(255)
        Industry string(255)
        NumberOfEmployees int(8)
        AnnualRevenue currency(18,0)
        BillingCountry string(80)
        OwnerId >User
        MasterRecordId >Account r
        """,
    "Opportunity": f"""
        Name string(120) !
        AccountId >Account
        StageName picklist({"|".join(STAGES)}) !
        Amount currency(18,2)
        CloseDate date !
        Probability percent(3,0)
        IsClosed boolean r
        IsWon boolean r
        Type picklist(New Customer|Existing Customer - Upgrade)
        LeadSource picklist({"|".join(_SOURCES)})
        CampaignId >Campaign
        ContactId >Contact c
        Loss_Reason__c string(255)
        OwnerId >User
        """,
    "OpportunityContactRole": """
        OpportunityId >Opportunity !c
        ContactId >Contact !
        Role picklist(Decision Maker|Economic Buyer|Evaluator|Influencer|Other)
        IsPrimary boolean
        """,
    "Task": """
        Subject string(255)
        Status picklist(Not Started|In Progress|Completed|Waiting on someone else|Deferred) =Not Started
        Priority picklist(High|Normal|Low) =Normal
        ActivityDate date
        IsReminderSet boolean
        ReminderDateTime datetime
        WhoId >Lead|Contact
        WhatId >Account|Opportunity|Campaign
        OwnerId >User
        Description textarea(32000)
        Type picklist(Call|Email|Meeting|Other)
        TaskSubtype picklist(Task|Email|Call) c
        CallType picklist(Inbound|Outbound|Internal)
        CallDurationInSeconds int(8)
        CallDisposition string(255)
        IsClosed boolean r
        CompletedDateTime datetime r
        Gateway_Id__c string(80) x
        """,
    "Event": """
        Subject string(255)
        StartDateTime datetime !
        EndDateTime datetime
        ActivityDate date
        IsReminderSet boolean
        ReminderDateTime datetime
        WhoId >Lead|Contact
        WhatId >Account|Opportunity|Campaign
        OwnerId >User
        Description textarea(32000)
        Type picklist(Call|Email|Meeting|Other)
        """,
    "Campaign": """
        Name string(80) !
        Type picklist(Webinar|Conference|Email|Advertisement|Other)
        Status picklist(Planned|In Progress|Completed|Aborted) =Planned
        StartDate date
        EndDate date
        IsActive boolean
        BudgetedCost currency(18,0)
        ActualCost currency(18,0)
        OwnerId >User
        """,
    "CampaignMember": """
        CampaignId >Campaign !c
        LeadId >Lead c
        ContactId >Contact c
        Status string(40)
        HasResponded boolean r
        FirstRespondedDate date r
        LeadOrContactId string(18) r
        """,
    "CampaignMemberStatus": """
        CampaignId >Campaign !c
        Label string(80) !
        HasResponded boolean
        IsDefault boolean
        SortOrder int(4)
        """,
    "User": """
        Username string(80) !
        LastName string(80) !
        FirstName string(40)
        Name string(121) r
        Email email(128) !
        IsActive boolean
        TimeZoneSidKey picklist(Europe/Berlin|Europe/London|Europe/Rome|America/New_York|America/Los_Angeles|Asia/Tokyo)
        """,
    "Group": """
        Name string(40) !
        DeveloperName string(80)
        Type picklist(Queue|Regular|Role) c
        Email email(80)
        """,
    "QueueSobject": """
        QueueId >Group c
        SobjectType string(40) c
        """,
    "LeadStatus": """
        ApiName string(255) r
        MasterLabel string(255) r
        SortOrder int(4) r
        IsDefault boolean r
        IsConverted boolean r
        """,
    "OpportunityStage": """
        ApiName string(255) r
        MasterLabel string(255) r
        SortOrder int(4) r
        IsActive boolean r
        IsClosed boolean r
        IsWon boolean r
        DefaultProbability percent(3,0) r
        """,
    "LeadHistory": """
        LeadId >Lead r
        Field string(255) r
        OldValue string(255) r
        NewValue string(255) r
        """,
    "OpportunityFieldHistory": """
        OpportunityId >Opportunity r
        Field string(255) r
        OldValue string(255) r
        NewValue string(255) r
        """,
    "OpportunityHistory": """
        OpportunityId >Opportunity r
        StageName string(255) r
        Amount currency(18,2) r
        CloseDate date r
        Probability percent(3,0) r
        """,
    "Organization": """
        Name string(80) r
        IsSandbox boolean r
        InstanceName string(5) r
        OrganizationType string(40) r
        DefaultLocaleSidKey string(40) r
        TimeZoneSidKey string(40) r
        """,
}
READ_ONLY = frozenset(
    {"LeadStatus", "OpportunityStage", "LeadHistory", "OpportunityFieldHistory", "OpportunityHistory", "Organization"}
)


def standard(gateway: bool = True) -> dict[str, dict[str, Field]]:
    """An org's objects: name → field → definition; with the gateway's own fields on Lead and Contact, or without."""
    objects = {}
    for object, text in _OBJECTS.items():
        lines = f"{_SYSTEM}{text}{_GATEWAY if gateway and object in ('Lead', 'Contact') else ''}".splitlines()
        fields = [field_of(line.strip()) for line in lines if line.strip()]
        if not gateway:
            fields = [of for of in fields if of.name != "Gateway_Id__c"]
        objects[object] = {of.name: of for of in fields}
    return objects


CHILDREN = {
    ("Opportunity", "OpportunityContactRoles"): ("OpportunityContactRole", "OpportunityId"),
    ("Opportunity", "OpportunityHistories"): ("OpportunityHistory", "OpportunityId"),
    ("Account", "Contacts"): ("Contact", "AccountId"),
    ("Account", "Opportunities"): ("Opportunity", "AccountId"),
    ("Contact", "OpportunityContactRoles"): ("OpportunityContactRole", "ContactId"),
    ("Lead", "Tasks"): ("Task", "WhoId"),
    ("Contact", "Tasks"): ("Task", "WhoId"),
    ("Lead", "Histories"): ("LeadHistory", "LeadId"),
    ("Lead", "CampaignMembers"): ("CampaignMember", "LeadId"),
    ("Contact", "CampaignMembers"): ("CampaignMember", "ContactId"),
    ("Campaign", "CampaignMembers"): ("CampaignMember", "CampaignId"),
    ("Campaign", "CampaignMemberStatuses"): ("CampaignMemberStatus", "CampaignId"),
}
"""(parent, relationship) → (child, its field that leads to the parent)."""

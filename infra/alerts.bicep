// Who is told when nobody can use the endpoint.

@description('What the names of the rules begin with.')
@minLength(1)
@maxLength(60)
param namePrefix string

@description('Azure region; that of the Application Insights component.')
@minLength(1)
param location string

@description('Tags of the resources.')
param tags object

@description('Name of the Application Insights component.')
@minLength(1)
param componentName string

@description('Resource id of the Log Analytics workspace.')
@minLength(1)
param workspaceId string

@description('Host name of the function app.')
@minLength(1)
param hostName string

@description('Where alerts are mailed to; empty: they are seen in the portal only.')
@maxLength(254)
param email string

var locations = loadJsonContent('clouds.json')[environment().name].webTestLocations

// Rows of calls, weighed by ItemCount since telemetry is sampled.
var rules = [
  {
    name: 'server-errors'
    description: 'More than five answers of 5xx within a quarter of an hour, probes not counted.'
    severity: 2
    threshold: 5
    query: 'AppRequests | where toint(ResultCode) >= 500 and Name !~ "readyz" | summarize Calls = sum(ItemCount)'
  }
  {
    name: 'not-ready'
    description: 'The endpoint runs and has no usable configuration; the log of its start says what is wrong.'
    severity: 1
    threshold: 0
    query: 'AppRequests | where Name =~ "readyz" and ResultCode == "503" | summarize Calls = sum(ItemCount)'
  }
]

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: '${namePrefix}-operators'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'postern'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// /readyz is anonymous, as /healthz is: it is 200 when the configuration is usable, else 503, and says no more than that.
resource probe 'Microsoft.Insights/webtests@2022-06-15' = {
  name: '${namePrefix}-ready'
  location: location
  // The portal shows a test with the component that its tag names.
  tags: union(tags, {
    'hidden-link:${component.id}': 'Resource'
  })
  kind: 'standard'
  properties: {
    Name: '${namePrefix}-ready'
    SyntheticMonitorId: '${namePrefix}-ready'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 60
    RetryEnabled: true
    Locations: [
      for id in locations: {
        Id: id
      }
    ]
    Request: {
      RequestUrl: 'https://${hostName}/readyz'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${namePrefix}-unavailable'
  location: 'global'
  tags: tags
  properties: {
    description: 'The endpoint is not reached, or not ready, from at least two places.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      probe.id
      component.id
    ]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: probe.id
      componentId: component.id
      failedLocationCount: 2
    }
    actions: empty(email) ? [] : [{ actionGroupId: group.id }]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${namePrefix}-${rule.name}'
      description: rule.description
      severity: rule.severity
      enabled: true
      autoMitigate: true
      // The table is empty, and may not be known yet, when the rule is made.
      skipQueryValidation: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: rule.query
            metricMeasureColumn: 'Calls'
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: rule.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: empty(email) ? [] : [group.id]
      }
    }
  }
]

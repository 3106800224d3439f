# made by hand
Creator "ShadowLab's tests"
graph [
  directed 0
  Network "Ring"
  node [ id 0 label "K&#246;ln" Latitude 50.94 Longitude 6.96 Internal 1 ]
  node [
    id 1
    label "Bonn"
    Latitude 50.73
    Longitude 7.10
    graphics [ x 10.5 y -3e1 ]
  ]
  node [ id 2 label "Peering LAN" hyperedge 1 ]
  node [ id 3 label "Elsewhere" Internal 0 ]
  edge [ source 0 target 1 LinkLabel "STM-16" ]
  edge [ source 0 target 1 LinkSpeed "10" LinkSpeedUnits "G" ]
  edge [ source 0 target 2 ]
  edge [ source 1 target 2 ]
  edge [ source 3 target 2 ]
]

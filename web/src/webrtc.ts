// The entry `seabag/webrtc`: data channels between the clients of a room. A table of contents, without logic.
export { PeerConnections, type PeerConnectionsOptions, type PeerState } from './client/room/webrtc.ts';

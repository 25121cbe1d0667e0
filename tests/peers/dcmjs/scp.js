// A server of dcmjs-dimse: node scp.js PORT FOLDER. It stores what it is sent, in the folder, under SOP Instance UIDs.
const path = require('path');
const { Server, Scp, constants, responses } = require('dcmjs-dimse');

const [port, folder] = process.argv.slice(2);
const { PresentationContextResult, Status, TransferSyntax } = constants;

class Archive extends Scp {
  associationRequested(association) {
    for (const { id, context } of association.getPresentationContexts()) {
      const known = context.getTransferSyntaxUids().filter((one) =>
        [TransferSyntax.ExplicitVRLittleEndian, TransferSyntax.ImplicitVRLittleEndian].includes(one));
      if (known.length) {
        context.setResult(PresentationContextResult.Accept, known[0]);
      } else {
        context.setResult(PresentationContextResult.RejectTransferSyntaxesNotSupported);
      }
    }
    this.sendAssociationAccept();
  }

  cEchoRequest(request, callback) {
    const response = responses.CEchoResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  cStoreRequest(request, callback) {
    const dataset = request.getDataset();
    dataset.toFile(path.join(folder, `${dataset.getElement('SOPInstanceUID')}.dcm`));
    const response = responses.CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

const server = new Server(Archive);
server.on('networkError', () => {});
server.listen(Number(port));

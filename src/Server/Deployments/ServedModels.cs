using Atoll.Platform.Blobs;
using Atoll.Serving.Onnx;

namespace Atoll.Deployments;

/// <summary>Brings artifacts from the blob store into memory, ready to predict.</summary>
internal sealed class ServedModels(BlobStore blobs)
{
    /// <summary>Loads a version before somebody asks for it.</summary>
    public async Task WarmAsync(string tenantId, string digest, CancellationToken cancellationToken)
    {
        var path = await blobs.VerifiedPathAsync(tenantId, digest, cancellationToken);
        OnnxSession.Load(path).Dispose();
    }
}

using System.Collections.Concurrent;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction.OpenInference;

/// <summary>The files of shared memory that tenants registered (the protocol's system shared memory). They are known until they are unregistered, or the server stops.</summary>
/// <remarks>
/// Nothing is mapped: a client that makes its file shorter would end the server. Bytes are read and written at every request.
/// A file belongs to the tenant whose name it begins with; names have no dot, so that it is one tenant's only.
/// </remarks>
internal sealed class SharedMemory(IOptions<PredictionOptions> prediction, IOptions<AtollOptions> atoll) : ITenantMemory, IDisposable
{
    /// <summary>Regions of one tenant; each keeps a file open.</summary>
    public const int RegionsMax = 64;

    /// <summary>Regions of all tenants.</summary>
    public const int AllRegionsMax = 4096;

    private const int NameCharsMax = 200;
    private const string Setting = "Prediction:SharedMemory";

    private readonly ConcurrentDictionary<(string TenantId, string Name), SharedMemoryRegion> _regions = new();
    private readonly Lock _changes = new();

    /// <summary>Clients may use it: the operator allows it, and the system has it.</summary>
    public bool IsOffered => prediction.Value.SharedMemory && OperatingSystem.IsLinux();

    /// <summary>Why clients cannot use it; null when they can.</summary>
    public Problem? Refuse() => IsOffered ? null : OpenInferenceProblems.Unsupported(
        prediction.Value.SharedMemory ? "system shared memory is there on Linux only" : $"system shared memory is not enabled; the operator allows it with the setting '{Setting}'");

    /// <summary>What a request of the tenant keeps there; null where it is not offered.</summary>
    public SharedTensors? Of(string tenantId) => IsOffered ? new SharedTensors(this, tenantId, atoll.Value.RequestBytesMax) : null;

    /// <summary>Opens a file of the tenant's under a name; null when that went well.</summary>
    /// <param name="key">The file's name in shared memory: <c>/tenant.name</c>.</param>
    public Problem? Register(Caller caller, string name, string key, ulong offset, ulong byteSize)
    {
        if (Refuse() is { } refused) return refused;
        if (name.Length is 0 or > NameCharsMax) return OpenInferenceProblems.Invalid($"the name of a shared memory region has 1 to {NameCharsMax} characters");
        if (byteSize == 0) return Fail(name, "'byte_size' is zero or missing");
        var file = key.StartsWith('/') ? key[1..] : key;
        if (!file.StartsWith(caller.TenantName + ".", StringComparison.Ordinal) || !Names.IsValid(file[(caller.TenantName.Length + 1)..]))
        {
            return Fail(
                name, $"the key '{JsonText.Shorten(key)}' is not one of this tenant's: expected '/{caller.TenantName}.' and a name of {Names.Rule}, such as '/{caller.TenantName}.input'");
        }

        // Files are opened under the lock as well: otherwise a crowd that comes at once would hold more than are allowed.
        lock (_changes)
        {
            if (_regions.ContainsKey((caller.TenantId, name))) return AlreadyThere(name);
            var own = 0;
            foreach (var (id, _) in _regions) own += id.TenantId == caller.TenantId ? 1 : 0;
            if (own >= RegionsMax) return Fail(name, $"a tenant has at most {RegionsMax} of them; unregister one first");
            if (_regions.Count >= AllRegionsMax) return Fail(name, $"the server has at most {AllRegionsMax} of them");
            var (region, why) = SharedMemoryRegion.Open(name, file, offset, byteSize);
            if (region is null) return Fail(name, why!);
            _regions[(caller.TenantId, name)] = region;
        }
        return null;
    }

    /// <summary>Forgets a region of the tenant's, or all of them. One that is not there is no error.</summary>
    public Problem? Unregister(string tenantId, string? name)
    {
        if (Refuse() is { } refused) return refused;
        if (name is null) Forget(tenantId);
        else Remove((tenantId, name));
        return null;
    }

    /// <summary>A region of the tenant's, or all of them by name.</summary>
    public Outcome<IReadOnlyList<SharedMemoryRegion>> List(string tenantId, string? name)
    {
        if (Refuse() is { } refused) return refused;
        if (name is not null) return Find(tenantId, name) is { } found ? new[] { found } : UnknownRegion(name);
        return _regions.Where(entry => entry.Key.TenantId == tenantId).Select(entry => entry.Value).OrderBy(region => region.Name, StringComparer.Ordinal).ToArray();
    }

    public SharedMemoryRegion? Find(string tenantId, string name) => _regions.GetValueOrDefault((tenantId, name));

    public void Forget(string tenantId)
    {
        foreach (var (id, _) in _regions)
            if (id.TenantId == tenantId) Remove(id);
    }

    public void Dispose()
    {
        foreach (var (id, _) in _regions) Remove(id);
    }

    /// <summary>The tenant has no region of this name.</summary>
    public static Problem UnknownRegion(string name) => new(404, ProblemCodes.NotFound, $"Unable to find system shared memory region: '{JsonText.Shorten(name)}'");

    private void Remove((string TenantId, string Name) id)
    {
        // Requests that read or write it just now end first: the handle counts them.
        if (_regions.TryRemove(id, out var region)) region.Dispose();
    }

    private static Problem AlreadyThere(string name) => new(400, ProblemCodes.AlreadyExists, $"shared memory region '{JsonText.Shorten(name)}' already in manager");

    private static Problem Fail(string name, string why) => OpenInferenceProblems.Invalid($"failed to register shared memory region '{JsonText.Shorten(name)}': {why}");
}

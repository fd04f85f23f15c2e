using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Gives a model its endpoint, of the same name, when it has none.</summary>
internal static class EnsureEndpoint
{
    /// <summary>Adds it to the caller's unit of work.</summary>
    public static async Task RunAsync(Model model, PlatformDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await db.Endpoints().AnyAsync(endpoint => endpoint.ModelId == model.Id, cancellationToken)) return;
        db.Endpoints().Add(new Endpoint { Id = Ids.New("ept", clock), Name = model.Name, ModelId = model.Id });
    }
}

using Atoll.Platform.Grpc.Messages;
using Atoll.Platform.Security;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Atoll.Platform.Grpc;

/// <summary>The services that every gRPC server has.</summary>
internal static class GrpcModule
{
    public static void AddGrpc(this IServiceCollection services)
    {
        services.AddSingleton<GrpcHealth>();
        services.AddSingleton<GrpcReflection>();
    }

    public static void MapGrpc(this IEndpointRouteBuilder app)
    {
        var health = app.MapGrpcService<GrpcHealth>(HealthReflection.Descriptor.FindTypeByName<ServiceDescriptor>("Health"));
        health.Unary<HealthCheckRequest, HealthCheckResponse>("Check", (service, request, call) => service.Check(request, call)).ForAnybody("says only that a service is there");
        health.ServerStreaming<HealthCheckRequest, HealthCheckResponse>("Watch", (service, request, responses, call) => service.Watch(request, responses, call))
            .ForAnybody("says only that a service is there");

        // Older tools know the same service by its first name.
        foreach (var name in (ReadOnlySpan<string>)["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"])
        {
            app.MapGrpcService<GrpcReflection>(ReflectionReflection.Descriptor.FindTypeByName<ServiceDescriptor>("ServerReflection"), name)
                .DuplexStreaming<ServerReflectionRequest, ServerReflectionResponse>("ServerReflectionInfo", (service, requests, responses, call) =>
                    service.ServerReflectionInfo(requests, responses, call))
                .ForAnybody("the description of the API holds no data");
        }
    }
}
